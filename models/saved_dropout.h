// A Dropout among what a differentiable function keeps for its backward.
#pragma once

#include <torch/csrc/autograd/custom_function.h>

#include "kernels/counter_dropout.h"

namespace attune {

inline void save_dropout(torch::autograd::AutogradContext& context, const Dropout& dropout) {
  context.saved_data["dropout_key"] = static_cast<std::int64_t>(dropout.call_key);
  context.saved_data["dropout_threshold"] = static_cast<std::int64_t>(dropout.threshold);
  context.saved_data["dropout_scale"] = static_cast<double>(dropout.scale);
}

inline Dropout saved_dropout(const torch::autograd::AutogradContext& context) {
  const auto& data = context.saved_data;
  return {static_cast<std::uint64_t>(data.at("dropout_key").toInt()),
          static_cast<std::uint32_t>(data.at("dropout_threshold").toInt()),
          static_cast<float>(data.at("dropout_scale").toDouble())};
}

}  // namespace attune
