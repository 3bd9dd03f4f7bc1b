#include "trainer/adamw.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros_like.h>

namespace attune {
namespace {

// In two levels: one fp32 sum over 20 million squares is off by a thousandth, and one in fp64 takes
// ten times as long.
at::Tensor global_norm(const at::Tensor& arena) {
  constexpr std::int64_t kPart = 4096;
  const std::int64_t whole = arena.numel() / kPart * kPart;
  const at::Tensor parts =
      at::linalg_vector_norm(arena.narrow(0, 0, whole).view({-1, kPart}), 2, {1});
  const at::Tensor rest = at::linalg_vector_norm(arena.narrow(0, whole, arena.numel() - whole), 2);
  return at::linalg_vector_norm(at::cat({parts, rest.unsqueeze(0)}), 2, {}, false, at::kDouble)
      .to(at::kFloat);
}

}  // namespace

AdamW::AdamW(ParameterStore& parameters, double weight_decay)
    : parameters_(parameters),
      weight_decay_(weight_decay),
      first_(at::zeros_like(parameters.values())),
      second_(at::zeros_like(parameters.values())) {}

at::Tensor AdamW::clip_gradients(double max_norm) {
  const at::Tensor norm = global_norm(parameters_.gradients());
  if (max_norm > 0) {
    at::Tensor gradients = parameters_.gradients();
    gradients.mul_((max_norm / (norm + 1e-6)).clamp_max(1.0));
  }
  return norm;
}

void AdamW::step(double learning_rate) {
  const at::NoGradGuard no_grad;
  ++steps_;
  const std::int64_t decayed = parameters_.decayed_count(), count = parameters_.count();
  const auto update = [&](std::int64_t begin, std::int64_t end, double decay) {
    if (begin == end) return;
    const auto part = [&](const at::Tensor& arena) { return arena.narrow(0, begin, end - begin); };
    // The kernel adds one to nothing: the step it is given is the step it corrects the bias for.
    at::Tensor step = at::full({}, static_cast<double>(steps_), first_.options());
    const std::vector<at::Tensor> values = {part(parameters_.values())},
                                  gradients = {part(parameters_.gradients())},
                                  first = {part(first_)}, second = {part(second_)}, steps = {step};
    at::_fused_adamw_(values, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps,
                      learning_rate, 0.9, 0.999, decay, 1e-8, /*amsgrad=*/false,
                      /*maximize=*/false);
  };
  update(0, decayed, weight_decay_);
  update(decayed, count, 0);
}

}  // namespace attune
