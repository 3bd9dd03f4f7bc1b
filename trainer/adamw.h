// AdamW (Loshchilov & Hutter 2019) over the arena of trained parameters: decoupled decay on the
// decayed part only, the rate of each group (ParameterStore::groups), betas 0.9 and 0.999, epsilon
// 1e-8. One pass over memory, kernels/adamw.h.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "kernels/adamw.h"
#include "models/parameter_store.h"
#include "trainer/step_outcome.h"

namespace attune {

// min(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; 1 where max_norm is 0.
double clip_factor(double norm, double max_norm);

class AdamW {
 public:
  AdamW(ParameterStore& parameters, double weight_decay);

  // Takes a step by the gradients, scaled down to the norm `max_norm` (0: never), and sets them to
  // zero. Where their norm or `loss` (0-dim) is not finite, no weight and no moment changes. On a
  // device nothing is waited for, and a step that turns out to have been none must be taken back.
  StepOutcome step(const at::Tensor& loss, double learning_rate, double max_norm);
  void take_back() { --steps_; }

  // First and second moments, [parameters.count()] fp32, and the number of steps taken: a
  // checkpoint.
  at::Tensor& first_moments() { return first_; }
  at::Tensor& second_moments() { return second_; }
  std::int64_t steps_taken() const { return steps_; }
  void set_steps_taken(std::int64_t steps) { steps_ = steps; }

 private:
  double gradient_norm() const;  // L2, of all
  AdamWStep numbers_of(const ParameterGroup& group, double learning_rate) const;
  StepOutcome step_on_cpu(double loss, double learning_rate, double max_norm);
  StepOutcome step_on_device(const at::Tensor& loss, double learning_rate, double max_norm);

  ParameterStore& parameters_;
  double weight_decay_;
  at::Tensor first_, second_;
  // On a device: GradientState, and scratch memory.
  at::Tensor state_, workspace_;
  std::int64_t steps_ = 0;
};

}  // namespace attune
