// LoRA (Hu et al. 2021) as PEFT has it: to the output of a linear layer comes (alpha / rank) B A x,
// and A and B are trained while the layer's own weight W stays. They are added in each forward (see
// LowRank in models/linear.h); W + (alpha / rank) B A is computed only where weights are written or
// served.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/encoders/encoder.h"
#include "models/lora_config.h"

namespace attune {

struct LoraModule {
  std::string name;  // as LinearModule's
  at::Tensor a;      // [rank, in] fp32
  at::Tensor b;      // [out, rank] fp32
};

struct Lora {
  int rank = 0;
  double alpha = 0;
  std::vector<LoraModule> modules;
};

// As PEFT begins: A uniform within 1 / sqrt(in) of 0 (Kaiming's with a = sqrt 5), drawn from `seed`
// in the order of `modules`; B zero. As in PEFT a target stands for every module of that name or
// whose name ends with "." and it, "all-linear" for all of them; here only those in the encoder's
// layers from `first_layer` on. Error{kConfig}: targets that are in none of these, a rank above a
// layer's width.
Lora initial_lora(const LoraConfig& config, std::span<const LinearModule> modules, int first_layer,
                  std::uint64_t seed);

// Adds the parts to the layers of `modules`, which share the tensors with `lora` afterwards.
// Error{kData} with `place`: modules that are not there, shapes that do not fit.
void attach_lora(Lora& lora, std::span<const LinearModule> modules, double dropout,
                 const std::string& place);

// The layer's weight with its low rank parts in it: a new tensor, or the weight itself where it has
// none.
at::Tensor merged_weight(const Linear& layer);

}  // namespace attune
