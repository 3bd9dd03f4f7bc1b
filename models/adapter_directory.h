// A saved adapter: config.json and pytorch_model.bin, which LlamaIndex loads, model.safetensors
// with the same tensors, and the sidecar attune.json, whose "adapter" names what LlamaIndex does
// not keep: the type and the base model. Formats: docs/formats.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <attune/adapter.h>

#include "core/json.h"

namespace attune {

// Whose vectors the adapter turns. With kBoth an index made with the base does not fit.
enum class AdapterSides : std::uint8_t { kQuery, kBoth };

// Whether `directory` holds an adapter, ours or LlamaIndex's, and not a model.
bool is_adapter_directory(const std::string& directory);

// Whole or not at all; merged, if the adapter folds. `sidecar` is attune.json, to whose "adapter"
// type and sides are added; `card` is README.md, "": none. Without pytorch_model.bin for kBoth:
// LlamaIndex, which would put the adapter behind queries alone, cannot load it then. Non-finite
// weights are refused: Error{kDiverged}.
void save_adapter(const Adapter& adapter, const std::string& type, AdapterSides sides,
                  const std::string& directory, Json sidecar, const std::string& card = "");

// The type under which save_adapter() keeps it: a kind that folds is kept as a linear one.
std::string saved_type(const Adapter& adapter, const std::string& type);

struct SavedAdapter {
  std::unique_ptr<Adapter> adapter;
  std::string type;
  AdapterSides sides = AdapterSides::kQuery;
  Json sidecar = Json::object();  // an empty object for LlamaIndex's
};

// Error{kData} with the file: what is missing, of another shape, or not understood.
SavedAdapter load_adapter(const std::string& directory);

}  // namespace attune
