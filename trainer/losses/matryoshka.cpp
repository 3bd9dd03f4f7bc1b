#include "trainer/losses/matryoshka.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "core/error.h"
#include "core/log.h"
#include "data/samplers.h"
#include "trainer/losses/normalized.h"

namespace attune {

MatryoshkaLoss::MatryoshkaLoss(std::unique_ptr<Loss> inner, const MatryoshkaConfig& config)
    : inner_(std::move(inner)), config_(config) {
  config_.weights.resize(config_.dims.size(), 1.0);
}

void MatryoshkaLoss::check(const RowSource& rows, int dimension) const {
  inner_->check(rows, dimension);
  const int largest = *std::max_element(config_.dims.begin(), config_.dims.end());
  if (largest > dimension)
    throw_error(ErrorKind::kConfig, "train.loss.matryoshka.dims: ", largest,
                " is more than the vectors' ", dimension, " numbers");
  if (largest < dimension)
    log_warning(str_cat("train.loss.matryoshka.dims leaves out ", dimension,
                        ", the vectors' own: uncut they are not trained"));
}

LossOutput MatryoshkaLoss::evaluate(const at::Tensor& vectors, const TrainingBatch& batch) const {
  const at::NoGradGuard no_grad;
  const std::int64_t count = std::ssize(config_.dims);
  std::vector<std::int64_t> chosen =
      Generator(static_cast<std::uint64_t>(batch.step)).randperm(count);
  if (config_.dims_per_step > 0) chosen.resize(config_.dims_per_step);
  std::sort(chosen.begin(), chosen.end());  // sums in one order, whatever the draw
  LossOutput total{at::zeros({}, vectors.options()), at::zeros_like(vectors)};
  for (const std::int64_t m : chosen) {
    const Normalized cut = normalize(vectors.narrow(1, 0, config_.dims[m]).contiguous());
    const LossOutput inner = inner_->evaluate(cut.unit, batch);
    total.value += inner.value * config_.weights[m];
    total.gradient.narrow(1, 0, config_.dims[m])
        .add_(normalize_backward(cut, inner.gradient), config_.weights[m]);
  }
  return total;
}

}  // namespace attune
