// How one forward is done. Arguments of a call, never state of a model: a const model is
// thread-safe and can be evaluated in the middle of training.
#pragma once

#include <cstdint>
#include <optional>

#include <c10/core/ScalarType.h>

namespace attune {

struct ForwardOptions {
  at::ScalarType compute =
      at::kFloat;                 // kFloat or kBFloat16: type of the linears' inputs; sums are fp32
  bool training = false;          // dropout is on only in training
  std::optional<double> dropout;  // both probabilities; none: those of the model's config.json
  std::uint64_t seed = 0;         // with `step` the key of dropout (kernels/counter_dropout.h)
  std::int64_t step = 0;
  bool recompute_layers = false;  // backward computes them again: models/recompute.h
};

}  // namespace attune
