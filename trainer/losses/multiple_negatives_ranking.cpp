#include "trainer/losses/multiple_negatives_ranking.h"

#include <cstring>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros_like.h>

#include "core/error.h"

namespace attune {
namespace {

constexpr double kEpsilon = 1e-12;  // of torch.nn.functional.normalize

struct Normalized {
  at::Tensor unit, norm;  // [n, d], [n, 1] clamped
  at::Tensor clamped;     // [n, 1] bool: the norm was below epsilon
};

Normalized normalize(const at::Tensor& x) {
  const at::Tensor norm = at::linalg_vector_norm(x, 2, {1}, /*keepdim=*/true);
  const at::Tensor clamped = norm.clamp_min(kEpsilon);
  return {x / clamped, clamped, norm < kEpsilon};
}

// d/dx of x / max(|x|, eps) applied to g: (g - u (u . g)) / |x|; below eps the norm is a constant.
at::Tensor normalize_backward(const Normalized& x, const at::Tensor& g) {
  const at::Tensor along = (x.unit * g).sum(1, /*keepdim=*/true).masked_fill(x.clamped, 0);
  return (g - x.unit * along) / x.norm;
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

  const at::Tensor scores = q.matmul(d.t()) * scale_;
  const at::Tensor log_z = at::logsumexp(scores, {1}, /*keepdim=*/true);
  const at::Tensor positives = scores.diagonal();
  LossOutput output;
  output.value = (log_z.squeeze(1) - positives).mean();

  at::Tensor grad_scores = (scores - log_z).exp();
  grad_scores.diagonal().sub_(1);
  grad_scores.mul_(scale_ / batch.rows);
  at::Tensor grad_units = at::zeros_like(x.unit);
  grad_units.narrow(0, 0, batch.rows).copy_(grad_scores.matmul(d));
  grad_units.narrow(0, batch.rows, d.size(0)).copy_(grad_scores.t().matmul(q));
  output.gradient =
      at::zeros_like(vectors).index_add_(0, places, normalize_backward(x, grad_units));
  return output;
}

}  // namespace attune
