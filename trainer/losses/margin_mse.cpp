#include "trainer/losses/margin_mse.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>

namespace attune {

void MarginMseLoss::check(const RowSource& rows, int) const {
  check_columns(rows, "margin_mse", 3);
  const int negatives = rows.columns - 2;
  if (rows.labels_per_row != negatives + 1)
    check_labels(rows, "margin_mse", negatives,
                 "the teacher's gap to each negative, or its scores of the positive and each "
                 "negative");
}

at::Tensor MarginMseLoss::compute(const std::vector<at::Tensor>& columns,
                                  const TrainingBatch& batch) const {
  const at::Tensor positive = pairwise_similarity(columns[0], columns[1], similarity_);
  std::vector<at::Tensor> gaps;
  for (std::size_t c = 2; c < columns.size(); ++c)
    gaps.push_back(positive - pairwise_similarity(columns[0], columns[c], similarity_));
  at::Tensor teacher = labels_of(batch, positive);
  const std::int64_t negatives = std::ssize(gaps);
  if (batch.labels_per_row == negatives + 1)
    teacher = teacher.narrow(1, 0, 1) - teacher.narrow(1, 1, negatives);
  return (at::stack(gaps, 1) - teacher).square().mean();
}

}  // namespace attune
