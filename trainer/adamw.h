// AdamW (Loshchilov & Hutter 2019) over the parameter arena, with torch's fused kernel: decoupled
// decay on the decayed part only, betas 0.9 and 0.999, epsilon 1e-8.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "models/parameter_store.h"

namespace attune {

class AdamW {
 public:
  AdamW(ParameterStore& parameters, double weight_decay);

  // The global L2 norm of the gradients, before they are scaled by min(1, max_norm / (norm + 1e-6))
  // as torch.nn.utils.clip_grad_norm_ does. max_norm 0: measured only. 0-dim fp32.
  at::Tensor clip_gradients(double max_norm);

  void step(double learning_rate);

  // First and second moments, [parameters.count()] fp32, and the number of steps taken: a
  // checkpoint.
  at::Tensor& first_moments() { return first_; }
  at::Tensor& second_moments() { return second_; }
  std::int64_t steps_taken() const { return steps_; }
  void set_steps_taken(std::int64_t steps) { steps_ = steps; }

 private:
  ParameterStore& parameters_;
  double weight_decay_;
  at::Tensor first_, second_;
  std::int64_t steps_ = 0;
};

}  // namespace attune
