// How one forward is done. Arguments of a call, never state of a model: a const model is
// thread-safe and can be evaluated in the middle of training.
#pragma once

#include <cstdint>
#include <optional>

#include <c10/core/ScalarType.h>

#include "kernels/counter_dropout.h"

namespace attune {

struct ForwardOptions {
  at::ScalarType compute =
      at::kFloat;                 // kFloat or kBFloat16: type of the linears' inputs; sums are fp32
  bool training = false;          // dropout is on only in training
  std::optional<double> dropout;  // both probabilities; none: those of the model's config.json
  std::uint64_t seed = 0;         // with `step` the key of dropout (kernels/counter_dropout.h)
  std::int64_t step = 0;
  // Memory of the device with the step's key instead: work that is replayed must not hold its own.
  const std::uint64_t* stored_step_key = nullptr;
  bool recompute_layers = false;  // backward computes them again: models/recompute.h

  // Of a dropout whose probability in the model's config.json is `model_probability`; negative:
  // the family has none there.
  double probability(double model_probability) const {
    return training && model_probability >= 0 ? dropout.value_or(model_probability) : 0;
  }
  Dropout mask(double probability, int layer, DropoutSite site) const {
    Dropout mask = Dropout::make(probability, seed, step, layer, site);
    mask.stored_step_key = stored_step_key;
    return mask;
  }
};

}  // namespace attune
