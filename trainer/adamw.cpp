#include "trainer/adamw.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros_like.h>

#include "kernels/adamw.h"

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
      second_(at::zeros_like(parameters.values())) {}

double AdamW::gradient_norm() const {
  const at::Tensor& gradients = parameters_.gradients();
  if (gradients.is_cuda())
    return at::linalg_vector_norm(gradients, 2, {}, false, at::kDouble).item<double>();
  const float* x = gradients.const_data_ptr<float>();
  const std::int64_t count = gradients.numel();
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

void AdamW::update_on_cpu(std::int64_t begin, std::int64_t end, double learning_rate, double decay,
                          double gradient_scale) {
  const auto t = static_cast<double>(steps_);
  AdamWStep step;
  step.learning_rate = static_cast<float>(learning_rate);
  step.keep = static_cast<float>(1 - learning_rate * decay);
  step.gradient_scale = static_cast<float>(gradient_scale);
  step.beta1 = static_cast<float>(kBeta1);
  step.beta2 = static_cast<float>(kBeta2);
  step.epsilon = static_cast<float>(kEpsilon);
  step.one_minus_beta1 = static_cast<float>(1 - kBeta1);
  step.one_minus_beta2 = static_cast<float>(1 - kBeta2);
  step.correction1 = static_cast<float>(1 - std::pow(kBeta1, t));
  step.correction2_root = static_cast<float>(std::sqrt(1 - std::pow(kBeta2, t)));
  float* values = parameters_.values().mutable_data_ptr<float>();
  float* gradients = parameters_.gradients().mutable_data_ptr<float>();
  float* first = first_.mutable_data_ptr<float>();
  float* second = second_.mutable_data_ptr<float>();
  at::parallel_for(begin, end, kPart, [&](std::int64_t from, std::int64_t to) {
    adamw_cpu(step, values, gradients, first, second, from, to);
  });
}

void AdamW::update_on_cuda(std::int64_t begin, std::int64_t end, double learning_rate,
                           double decay) {
  if (begin == end) return;
  const auto part = [&](const at::Tensor& arena) {
    return std::vector<at::Tensor>{arena.narrow(0, begin, end - begin)};
  };
  // The kernel adds one to nothing: the step it is given is the step it corrects the bias for.
  const std::vector<at::Tensor> step = {
      at::full({}, static_cast<double>(steps_), first_.options())};
  at::_fused_adamw_(part(parameters_.values()), part(parameters_.gradients()), part(first_),
                    part(second_), /*max_exp_avg_sqs=*/{}, step, learning_rate, kBeta1, kBeta2,
                    decay, kEpsilon, /*amsgrad=*/false, /*maximize=*/false);
}

void AdamW::step(double learning_rate, double gradient_scale) {
  const at::NoGradGuard no_grad;
  ++steps_;
  at::Tensor gradients = parameters_.gradients();
  if (first_.is_cuda() && gradient_scale != 1) gradients.mul_(gradient_scale);
  for (const ParameterGroup& group : parameters_.groups()) {
    const double rate = learning_rate * group.rate, decay = group.decay ? weight_decay_ : 0;
    if (first_.is_cuda())
      update_on_cuda(group.begin, group.end, rate, decay);
    else
      update_on_cpu(group.begin, group.end, rate, decay, gradient_scale);
  }
  if (first_.is_cuda()) gradients.zero_();
}

}  // namespace attune
