// A Dropout among what a differentiable function keeps for its backward. A stored_step_key must
// outlive it.
#pragma once

#include <vector>

#include <torch/csrc/autograd/custom_function.h>

#include "kernels/counter_dropout.h"

namespace attune {

inline void save_dropout(torch::autograd::AutogradContext& context, const Dropout& dropout) {
  context.saved_data["dropout"] = std::vector<std::int64_t>{
      static_cast<std::int64_t>(dropout.place), static_cast<std::int64_t>(dropout.step_key),
      static_cast<std::int64_t>(dropout.threshold),
      reinterpret_cast<std::int64_t>(dropout.stored_step_key)};
  context.saved_data["dropout_scale"] = static_cast<double>(dropout.scale);
}

inline Dropout saved_dropout(const torch::autograd::AutogradContext& context) {
  const std::vector<std::int64_t> saved = context.saved_data.at("dropout").toIntVector();
  return {static_cast<std::uint64_t>(saved[0]), static_cast<std::uint64_t>(saved[1]),
          static_cast<std::uint32_t>(saved[2]),
          static_cast<float>(context.saved_data.at("dropout_scale").toDouble()),
          reinterpret_cast<const std::uint64_t*>(saved[3])};
}

}  // namespace attune
