#include "trainer/losses/kl_divergence.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/stack.h>

namespace attune {

void KlDivergenceLoss::check(const RowSource& rows, int) const {
  check_columns(rows, "kl_divergence", 3);
  check_labels(rows, "kl_divergence", rows.columns - 1,
               "the teacher's scores of the positive and each negative");
}

at::Tensor KlDivergenceLoss::compute(const std::vector<at::Tensor>& columns,
                                     const TrainingBatch& batch) const {
  std::vector<at::Tensor> scores;
  for (std::size_t c = 1; c < columns.size(); ++c)
    scores.push_back(pairwise_similarity(columns[0], columns[c], similarity_));
  const at::Tensor student = at::log_softmax(at::stack(scores, 1) * scale_, 1);
  const at::Tensor teacher = at::log_softmax(labels_of(batch, student) * scale_, 1);
  return (teacher.exp() * (teacher - student)).sum() / (batch.rows * scale_ * scale_);
}

}  // namespace attune
