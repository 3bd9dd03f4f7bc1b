#include "trainer/losses/multiple_negatives_ranking.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "core/error.h"
#include "kernels/cross_entropy.h"
#include "models/device_kernels.h"
#include "models/kernel_data.h"
#include "trainer/losses/normalized.h"

namespace attune {
namespace {

// Rows whose scores are in memory at a time: below it products are too small to be fast.
constexpr std::int64_t kRowsAtATime = 4096;

ContrastiveScores problem_of(const at::Tensor& scores, std::int64_t first, double scale) {
  ContrastiveScores problem;
  problem.x = mutable_elements<float>(scores);
  problem.rows = scores.size(0);
  problem.columns = scores.size(1);
  problem.first_target = first;
  problem.scale = static_cast<float>(scale);
  return problem;
}

// The losses of rows of scores [rows, passages], the target of row i at column first + i; the
// matrix becomes factor * (softmax - 1 at the target).
at::Tensor cross_entropy_(const at::Tensor& scores, std::int64_t first, double scale,
                          double factor) {
  const std::int64_t rows = scores.size(0), columns = scores.size(1);
  at::Tensor losses = at::empty({rows}, scores.options());
  float* x = mutable_elements<float>(scores);
  float* loss = mutable_elements<float>(losses);
  if (has_device_kernels(scores)) {
    check_kernel(contrastive_cross_entropy_cuda(problem_of(scores, first, scale),
                                                static_cast<float>(factor), loss,
                                                current_stream(scores)));
    return losses;
  }
  at::parallel_for(0, rows, 16, [&](std::int64_t begin, std::int64_t end) {
    cross_entropy_cpu(x, columns, first, static_cast<float>(scale), static_cast<float>(factor),
                      loss, begin, end);
  });
  return losses;
}

// The softmax over a query's passages and that over a passage's queries, a loss of each, averaged:
// two passes over the parts, the scores computed in both.
class SymmetricRows {
 public:
  SymmetricRows(const at::Tensor& like, std::int64_t rows, std::int64_t passages)
      : rows_(rows),
        row_lse_(at::empty({rows}, like.options())),
        column_lse_(at::full({passages}, -INFINITY, like.options())) {}
  // First pass.
  void add(const at::Tensor& scores, std::int64_t first, double scale) {
    check_kernel(log_sum_exp_cuda(problem_of(scores, first, scale),
                                  mutable_elements<float>(row_lse_) + first,
                                  mutable_elements<float>(column_lse_), current_stream(scores)));
  }
  // Second pass; as the function of that name.
  at::Tensor cross_entropy_(const at::Tensor& scores, std::int64_t first, double scale,
                            double factor) const {
    at::Tensor losses = at::empty({scores.size(0)}, scores.options());
    SymmetricShares shares;
    shares.target_columns = rows_;
    check_kernel(symmetric_cross_entropy_cuda(
        problem_of(scores, first, scale), shares, elements<float>(row_lse_) + first,
        elements<float>(column_lse_), static_cast<float>(factor), mutable_elements<float>(losses),
        current_stream(scores)));
    return losses;
  }

 private:
  std::int64_t rows_;
  at::Tensor row_lse_, column_lse_;
};

}  // namespace

bool MultipleNegativesRankingLoss::is_plain() const {
  return settings_ == MnrlSettings{.scale = settings_.scale};
}

bool MultipleNegativesRankingLoss::is_symmetric() const {
  return settings_ ==
         MnrlSettings{.scale = settings_.scale, .doc_to_query = true, .per_direction = true};
}

void MultipleNegativesRankingLoss::check(const RowSource& rows, int) const {
  check_columns(rows, "mnrl", 2);
}

LossOutput MultipleNegativesRankingLoss::evaluate(const at::Tensor& vectors,
                                                  const TrainingBatch& batch) const {
  const bool in_place = is_plain() || (has_device_kernels(vectors) && is_symmetric());
  return in_place && vectors.scalar_type() == at::kFloat ? evaluate_in_place(vectors, batch)
                                                         : ComposedLoss::evaluate(vectors, batch);
}

double MultipleNegativesRankingLoss::bytes(const TrainingBatch& batch) const {
  if (!is_plain()) return Loss::bytes(batch);
  return 4.0 * static_cast<double>(std::min<std::int64_t>(batch.rows, kRowsAtATime)) * batch.rows *
         std::max(1, batch.columns - 1);
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

  LossOutput output;
  at::Tensor losses = at::empty({batch.rows}, x.unit.options());
  at::Tensor grad_units = at::zeros_like(x.unit);
  at::Tensor grad_d = grad_units.narrow(0, batch.rows, d.size(0));
  const double factor = settings_.scale / batch.rows;
  const auto for_each_part = [&](const auto& body) {
    for (std::int64_t first = 0; first < batch.rows; first += kRowsAtATime) {
      const std::int64_t rows = std::min<std::int64_t>(kRowsAtATime, batch.rows - first);
      const at::Tensor part = q.narrow(0, first, rows);
      body(first, part, part.matmul(d.t()), losses.narrow(0, first, rows));
    }
  };
  std::optional<SymmetricRows> symmetric;
  if (is_symmetric()) {
    symmetric.emplace(x.unit, batch.rows, d.size(0));
    for_each_part([&](std::int64_t first, const at::Tensor&, const at::Tensor& scores,
                      const at::Tensor&) { symmetric->add(scores, first, settings_.scale); });
  }
  for_each_part([&](std::int64_t first, const at::Tensor& part, const at::Tensor& scores,
                    const at::Tensor& loss) {
    // Scores until their gradient takes their place.
    loss.copy_(symmetric ? symmetric->cross_entropy_(scores, first, settings_.scale, factor)
                         : cross_entropy_(scores, first, settings_.scale, factor));
    grad_units.narrow(0, first, part.size(0)).copy_(scores.matmul(d));
    grad_d.addmm_(scores.t(), part);
  });
  output.value = losses.mean();
  output.gradient =
      at::zeros_like(vectors).index_add_(0, places, normalize_backward(x, grad_units));
  return output;
}

}  // namespace attune
