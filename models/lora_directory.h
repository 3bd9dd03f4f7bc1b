// A PEFT adapter directory: adapter_config.json, and adapter_model.safetensors (or .bin) with the
// matrices under PEFT's names. What it does to a model is LoRA of one rank on linear layers;
// everything else that PEFT can put there is refused by name (docs/formats.md).
#pragma once

#include <string>

#include "core/durable.h"
#include "models/lora.h"

namespace attune {

bool is_lora_directory(const std::string& directory);  // adapter_config.json is there

// `base_model_name_or_path` of its adapter_config.json; empty where none is named.
std::string lora_base(const std::string& directory);

// Matrices of a pooler, which no embedding uses, are left out. Error{kData} with the file.
Lora read_lora(const std::string& directory);

// SHA-256 of both files.
Fingerprint lora_fingerprint(const std::string& directory);

// A module's two matrices under PEFT's names; they are those of the parameters, too.
std::vector<NamedTensor> lora_tensors(const LoraModule& module);

// Writes the two files. `base`: what loads as the model that the matrices were trained on.
void write_lora(DurableDirectory& out, const Lora& lora, double dropout, const std::string& base);

}  // namespace attune
