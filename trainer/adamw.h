// AdamW (Loshchilov & Hutter 2019) over the arena of trained parameters: decoupled decay on the
// decayed part only, the rate of each group (ParameterStore::groups), betas 0.9 and 0.999, epsilon
// 1e-8. One pass of our own on the processor (kernels/adamw.h), torch's fused kernel on CUDA.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "models/parameter_store.h"

namespace attune {

// min(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; 1 where max_norm is 0.
double clip_factor(double norm, double max_norm);

class AdamW {
 public:
  AdamW(ParameterStore& parameters, double weight_decay);

  // The global L2 norm of the gradients.
  double gradient_norm() const;

  // Takes a step by the gradients times `gradient_scale`, and sets them to zero.
  void step(double learning_rate, double gradient_scale = 1);

  // First and second moments, [parameters.count()] fp32, and the number of steps taken: a
  // checkpoint.
  at::Tensor& first_moments() { return first_; }
  at::Tensor& second_moments() { return second_; }
  std::int64_t steps_taken() const { return steps_; }
  void set_steps_taken(std::int64_t steps) { steps_ = steps; }

 private:
  // Parameters [begin, end).
  void update_on_cpu(std::int64_t begin, std::int64_t end, double learning_rate, double decay,
                     double gradient_scale);
  void update_on_cuda(std::int64_t begin, std::int64_t end, double learning_rate, double decay);

  ParameterStore& parameters_;
  double weight_decay_;
  at::Tensor first_, second_;
  std::int64_t steps_ = 0;
};

}  // namespace attune
