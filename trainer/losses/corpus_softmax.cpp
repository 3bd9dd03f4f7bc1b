#include "trainer/losses/corpus_softmax.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/logaddexp.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "core/error.h"
#include "models/upload.h"
#include "trainer/losses/normalized.h"

namespace attune {
namespace {

// The (row, document) places of all positives, row by row.
struct Positives {
  std::vector<std::int64_t> rows, documents;
  std::vector<float> share;  // 1 / (rows * positives of the row)
};

Positives list_positives(const TrainingBatch& batch) {
  Positives all;
  for (std::size_t row = 0; row < batch.relevant.size(); ++row)
    for (const std::int64_t document : batch.relevant[row]) {
      all.rows.push_back(static_cast<std::int64_t>(row));
      all.documents.push_back(document);
      all.share.push_back(
          1.0f / (static_cast<float>(batch.rows) * static_cast<float>(batch.relevant[row].size())));
    }
  return all;
}

template <class T>
at::Tensor uploaded(const std::vector<T>& values, at::ScalarType type, const at::Tensor& like) {
  return upload(values, {std::ssize(values)}, type, like.device());
}

}  // namespace

CorpusSoftmaxLoss::CorpusSoftmaxLoss(const at::Tensor& documents, double scale, std::int64_t block)
    : units_(normalize(documents).unit), scale_(scale), block_(block) {}

void CorpusSoftmaxLoss::check(const RowSource& rows, int) const {
  if (rows.labels_per_row > 0)
    throw_error(ErrorKind::kData,
                "the loss corpus needs to know which passages answer a query: a table whose rows "
                "have labels does not say so");
}

CorpusSoftmaxLoss::CorpusSoftmaxLoss(double scale, std::int64_t block)
    : scale_(scale), block_(block) {}

LossOutput CorpusSoftmaxLoss::evaluate(const at::Tensor& vectors,
                                       const TrainingBatch& batch) const {
  const bool frozen = units_.defined();
  ATTUNE_ASSERT(batch.columns == 1 && std::ssize(batch.relevant) == batch.rows &&
                (frozen ? vectors.size(0) == batch.rows : vectors.size(0) > batch.rows));
  const at::NoGradGuard no_grad;
  const std::int64_t rows = batch.rows;
  const Normalized q = normalize(vectors.narrow(0, 0, rows));
  Normalized d;
  if (!frozen) d = normalize(vectors.narrow(0, rows, vectors.size(0) - rows));
  const at::Tensor& all_units = frozen ? units_ : d.unit;
  const std::int64_t count = all_units.size(0);
  // Chosen on the host, block by block: nothing waits for the device.
  const Positives positives = list_positives(batch);
  const at::Tensor rows_of = uploaded(positives.rows, at::kLong, vectors),
                   documents_of = uploaded(positives.documents, at::kLong, vectors),
                   share = uploaded(positives.share, at::kFloat, vectors);

  // Scores of a block, those of positives at minus infinity.
  const auto negative_scores = [&](std::int64_t begin, const at::Tensor& units) {
    at::Tensor scores = q.unit.matmul(units.t()).mul_(scale_);
    std::vector<std::int64_t> row, column;
    for (std::size_t i = 0; i < positives.rows.size(); ++i) {
      const std::int64_t place = positives.documents[i] - begin;
      if (place < 0 || place >= units.size(0)) continue;
      row.push_back(positives.rows[i]);
      column.push_back(place);
    }
    scores.index_put_({uploaded(row, at::kLong, vectors), uploaded(column, at::kLong, vectors)},
                      at::full({}, -INFINITY, scores.options()));
    return scores;
  };
  at::Tensor only_block;  // of a corpus that is one block, not computed twice
  at::Tensor log_negatives = at::full({rows}, -INFINITY, vectors.options());
  for (std::int64_t begin = 0; begin < count; begin += block_) {
    const at::Tensor units = all_units.narrow(0, begin, std::min(block_, count - begin));
    const at::Tensor scores = negative_scores(begin, units);
    if (count <= block_) only_block = scores;
    log_negatives = at::logaddexp(log_negatives, at::logsumexp(scores, {1}));
  }

  log_negatives.clamp_min_(-1e30);  // a query to which everything is relevant has none

  // [positives]: s, its own log-sum with the row's negatives, and the probability of p in it.
  const at::Tensor unit_of = all_units.index_select(0, documents_of);
  const at::Tensor s = (q.unit.index_select(0, rows_of) * unit_of).sum(1).mul_(scale_);
  const at::Tensor log_z = at::logaddexp(s, log_negatives.index_select(0, rows_of));
  LossOutput output;
  output.value = ((log_z - s) * share).sum();

  // d loss / d s_ip = share (P_p - 1); d loss / d s_ij = exp(s_ij) sum_p share / Z_p.
  at::Tensor grad_unit = at::zeros_like(q.unit), grad_document;
  const at::Tensor of_positive = (((s - log_z).exp() - 1) * share).mul_(scale_);
  grad_unit.index_add_(0, rows_of, of_positive.unsqueeze(1) * unit_of);
  if (!frozen)
    grad_document = at::zeros_like(d.unit).index_add_(
        0, documents_of, of_positive.unsqueeze(1) * q.unit.index_select(0, rows_of));
  // sum_p share exp(-log_z_p), held relative to the row's own sum of negatives.
  const at::Tensor weight =
      at::zeros({rows}, vectors.options())
          .index_add_(0, rows_of, (log_negatives.index_select(0, rows_of) - log_z).exp_() * share)
          .mul_(scale_);
  for (std::int64_t begin = 0; begin < count; begin += block_) {
    const at::Tensor units = all_units.narrow(0, begin, std::min(block_, count - begin));
    const at::Tensor scores = only_block.defined() ? only_block : negative_scores(begin, units);
    const at::Tensor part = (scores - log_negatives.unsqueeze(1)).exp_() * weight.unsqueeze(1);
    grad_unit.addmm_(part, units);
    if (!frozen) grad_document.narrow(0, begin, units.size(0)).addmm_(part.t(), q.unit);
  }
  output.gradient = normalize_backward(q, grad_unit);
  if (!frozen) output.gradient = at::cat({output.gradient, normalize_backward(d, grad_document)});
  return output;
}

}  // namespace attune
