#include "trainer/adamw.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include "models/device_kernels.h"
#include "models/kernel_data.h"
#include "models/upload.h"

namespace attune {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;

// Parts of a fixed size, so that a sum over them has the same bits for any number of threads.
constexpr std::int64_t kPart = 65536;

}  // namespace

double clip_factor(double norm, double max_norm) {
  return max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

AdamW::AdamW(ParameterStore& parameters, double weight_decay)
    : parameters_(parameters),
      weight_decay_(weight_decay),
      first_(at::zeros_like(parameters.values())),
      second_(at::zeros_like(parameters.values())) {
  if (!has_device_kernels(first_)) return;
  state_ = at::empty({sizeof(GradientState)}, first_.options().dtype(at::kByte));
  workspace_ = at::empty({kSquaresWorkspace}, first_.options().dtype(at::kDouble));
}

double AdamW::gradient_norm() const {
  const float* x = elements<float>(parameters_.gradients());
  const std::int64_t count = parameters_.count();
  std::vector<double> sums((count + kPart - 1) / kPart);
  at::parallel_for(0, static_cast<std::int64_t>(sums.size()), 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i)
                       sums[i] = sum_of_squares_cpu(x, i * kPart, std::min((i + 1) * kPart, count));
                   });
  double total = 0;
  for (double sum : sums) total += sum;
  return std::sqrt(total);
}

AdamWStep AdamW::numbers_of(const ParameterGroup& group, double learning_rate) const {
  const auto t = static_cast<double>(steps_);
  const double rate = learning_rate * group.rate, decay = group.decay ? weight_decay_ : 0;
  AdamWStep step;
  step.learning_rate = static_cast<float>(rate);
  step.gradient_scale = 1;
  step.keep = static_cast<float>(1 - rate * decay);
  step.beta1 = static_cast<float>(kBeta1);
  step.beta2 = static_cast<float>(kBeta2);
  step.epsilon = static_cast<float>(kEpsilon);
  step.one_minus_beta1 = static_cast<float>(1 - kBeta1);
  step.one_minus_beta2 = static_cast<float>(1 - kBeta2);
  step.correction1 = static_cast<float>(1 - std::pow(kBeta1, t));
  step.correction2_root = static_cast<float>(std::sqrt(1 - std::pow(kBeta2, t)));
  return step;
}

StepOutcome AdamW::step(const at::Tensor& loss, double learning_rate, double max_norm) {
  const at::NoGradGuard no_grad;
  return state_.defined() ? step_on_device(loss, learning_rate, max_norm)
                          : step_on_cpu(loss.item<double>(), learning_rate, max_norm);
}

StepOutcome AdamW::step_on_cpu(double loss, double learning_rate, double max_norm) {
  const StepNumbers numbers{loss, gradient_norm()};
  if (!numbers.finite()) {
    parameters_.zero_gradients();
    return StepOutcome(numbers);
  }
  ++steps_;
  float* values = mutable_elements<float>(parameters_.values());
  float* gradients = mutable_elements<float>(parameters_.gradients());
  float *first = mutable_elements<float>(first_), *second = mutable_elements<float>(second_);
  for (const ParameterGroup& group : parameters_.groups()) {
    AdamWStep step = numbers_of(group, learning_rate);
    step.gradient_scale = static_cast<float>(clip_factor(numbers.grad_norm, max_norm));
    at::parallel_for(group.begin, group.end, kPart, [&](std::int64_t from, std::int64_t to) {
      adamw_cpu(step, values, gradients, first, second, from, to);
    });
  }
  return StepOutcome(numbers);
}

StepOutcome AdamW::step_on_device(const at::Tensor& loss, double learning_rate, double max_norm) {
  ++steps_;
  const std::vector<ParameterGroup>& groups = parameters_.groups();
  const at::Tensor host = staging_memory(
      {static_cast<std::int64_t>(groups.size() * sizeof(AdamWStep))}, at::kByte, first_.device());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const AdamWStep step = numbers_of(groups[i], learning_rate);
    std::memcpy(host.mutable_data_ptr<std::uint8_t>() + i * sizeof step, &step, sizeof step);
  }
  const at::Tensor steps = host.to(first_.device(), /*non_blocking=*/true);
  const at::Tensor loss_value = loss.to(first_.device(), at::kFloat);
  void* stream = current_stream(first_);
  auto* state = mutable_elements<GradientState>(state_);
  check_kernel(gradient_state_cuda(elements<float>(parameters_.gradients()), parameters_.count(),
                                   elements<float>(loss_value), static_cast<float>(max_norm),
                                   mutable_elements<double>(workspace_), state, stream));
  for (std::size_t i = 0; i < groups.size(); ++i)
    check_kernel(adamw_cuda(
        elements<AdamWStep>(steps) + i, state, mutable_elements<float>(parameters_.values()),
        mutable_elements<float>(parameters_.gradients()), mutable_elements<float>(first_),
        mutable_elements<float>(second_), mutable_elements<BFloat16>(parameters_.working_values()),
        groups[i].begin, groups[i].end, stream));
  return StepOutcome(state_);
}

}  // namespace attune
