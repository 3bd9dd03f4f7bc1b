#include "trainer/losses/multiple_negatives_ranking.h"

#include <cstring>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros_like.h>

#include "core/error.h"
#include "kernels/cross_entropy.h"
#include "models/kernel_data.h"
#include "trainer/losses/normalized.h"

namespace attune {
namespace {

// The loss of each row, whose own column is its target; the matrix becomes factor * (softmax - 1 at
// the target): kernels/cross_entropy.h on the processor, ATen on CUDA.
at::Tensor cross_entropy_(const at::Tensor& scores, double scale, double factor) {
  const std::int64_t rows = scores.size(0);
  if (scores.is_cuda()) {
    scores.mul_(scale);
    const at::Tensor log_z = at::logsumexp(scores, {1}, /*keepdim=*/true);
    const at::Tensor losses = log_z.squeeze(1) - scores.diagonal();
    scores.sub_(log_z).exp_().diagonal().sub_(1);
    scores.mul_(factor);
    return losses;
  }
  at::Tensor losses = at::empty({rows}, scores.options());
  float* x = mutable_elements<float>(scores);
  float* loss = mutable_elements<float>(losses);
  at::parallel_for(0, rows, 16, [&](std::int64_t begin, std::int64_t end) {
    cross_entropy_cpu(x, scores.size(1), static_cast<float>(scale), static_cast<float>(factor),
                      loss, begin, end);
  });
  return losses;
}

}  // namespace

LossOutput MultipleNegativesRankingLoss::evaluate(const at::Tensor& vectors,
                                                  const TrainingBatch& batch) const {
  ATTUNE_ASSERT(batch.columns >= 2 && batch.rows >= 1);
  const at::NoGradGuard no_grad;
  at::Tensor places = at::empty({static_cast<std::int64_t>(batch.sequence_of.size())}, at::kLong);
  std::memcpy(places.mutable_data_ptr(), batch.sequence_of.data(), places.nbytes());
  places = places.to(vectors.device());
  const Normalized x = normalize(vectors.index_select(0, places));
  const at::Tensor q = x.unit.narrow(0, 0, batch.rows);
  const at::Tensor d = x.unit.narrow(0, batch.rows, x.unit.size(0) - batch.rows);

  // Scores until their gradient takes their place.
  const at::Tensor grad_scores = q.matmul(d.t());
  LossOutput output;
  output.value = cross_entropy_(grad_scores, scale_, scale_ / batch.rows).mean();
  at::Tensor grad_units = at::zeros_like(x.unit);
  grad_units.narrow(0, 0, batch.rows).copy_(grad_scores.matmul(d));
  grad_units.narrow(0, batch.rows, d.size(0)).copy_(grad_scores.t().matmul(q));
  output.gradient =
      at::zeros_like(vectors).index_add_(0, places, normalize_backward(x, grad_units));
  return output;
}

}  // namespace attune
