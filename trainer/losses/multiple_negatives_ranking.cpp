#include "trainer/losses/multiple_negatives_ranking.h"

#include <cmath>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros.h>
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

void MultipleNegativesRankingLoss::check(const RowSource& rows, int) const {
  check_columns(rows, "mnrl", 2);
}

LossOutput MultipleNegativesRankingLoss::evaluate(const at::Tensor& vectors,
                                                  const TrainingBatch& batch) const {
  const bool plain = settings_ == MnrlSettings{.scale = settings_.scale};
  return plain && vectors.scalar_type() == at::kFloat ? evaluate_in_place(vectors, batch)
                                                      : ComposedLoss::evaluate(vectors, batch);
}

at::Tensor MultipleNegativesRankingLoss::compute(const std::vector<at::Tensor>& columns,
                                                 const TrainingBatch& batch) const {
  const bool cosine = settings_.similarity == Similarity::kCosine;
  const at::Tensor q = cosine ? unit_rows(columns[0]) : columns[0];
  const at::Tensor all = at::cat(std::vector<at::Tensor>(columns.begin() + 1, columns.end()));
  const at::Tensor d = cosine ? unit_rows(all) : all;
  const at::Tensor p = d.narrow(0, 0, batch.rows);
  const std::int64_t rows = batch.rows, passages = d.size(0);
  // [rows, passages]: the passage is of the same row.
  const at::Tensor own_row =
      at::eye(rows, q.options().dtype(at::kBool)).repeat({1, passages / rows});

  const at::Tensor similarities = q.matmul(d.t());
  at::Tensor scores = similarities * settings_.scale;
  if (settings_.harder_in_batch || settings_.harder_own) {
    at::Tensor harder = at::zeros_like(own_row);
    if (settings_.harder_in_batch) harder = own_row.logical_not();
    if (settings_.harder_own) harder.slice(1, rows).logical_or_(own_row.slice(1, rows));
    scores = scores + similarities.detach() * harder * settings_.hardness_strength;
  }
  std::vector<at::Tensor> blocks = {scores};
  if (settings_.query_to_query)
    blocks.push_back(
        (q.matmul(q.t()) * settings_.scale).masked_fill(own_row.narrow(1, 0, rows), -INFINITY));
  if (settings_.doc_to_query) blocks.push_back(p.matmul(q.t()) * settings_.scale);
  if (settings_.doc_to_doc)
    blocks.push_back((p.matmul(d.t()) * settings_.scale).masked_fill(own_row, -INFINITY));
  if (!settings_.per_direction) blocks = {at::cat(blocks, 1)};
  at::Tensor log_z = at::zeros({rows}, q.options());
  for (const at::Tensor& block : blocks)
    log_z = log_z + at::logsumexp(block, {1}) / static_cast<double>(blocks.size());
  return (log_z - scores.diagonal()).mean();
}

LossOutput MultipleNegativesRankingLoss::evaluate_in_place(const at::Tensor& vectors,
                                                           const TrainingBatch& batch) const {
  ATTUNE_ASSERT(batch.columns >= 2 && batch.rows >= 1);
  const at::NoGradGuard no_grad;
  const at::Tensor places = places_of(batch, vectors.device());
  const Normalized x = normalize(vectors.index_select(0, places));
  const at::Tensor q = x.unit.narrow(0, 0, batch.rows);
  const at::Tensor d = x.unit.narrow(0, batch.rows, x.unit.size(0) - batch.rows);

  // Scores until their gradient takes their place.
  const at::Tensor grad_scores = q.matmul(d.t());
  LossOutput output;
  output.value = cross_entropy_(grad_scores, settings_.scale, settings_.scale / batch.rows).mean();
  at::Tensor grad_units = at::zeros_like(x.unit);
  grad_units.narrow(0, 0, batch.rows).copy_(grad_scores.matmul(d));
  grad_units.narrow(0, batch.rows, d.size(0)).copy_(grad_scores.t().matmul(q));
  output.gradient =
      at::zeros_like(vectors).index_add_(0, places, normalize_backward(x, grad_units));
  return output;
}

}  // namespace attune
