#include "trainer/losses/cosent.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros.h>

namespace attune {

void CosentLoss::check(const RowSource& rows, int) const {
  check_columns(rows, "cosent", 2, 2);
  check_labels(rows, "cosent", 1, "how similar the two texts are");
}

at::Tensor CosentLoss::compute(const std::vector<at::Tensor>& columns,
                               const TrainingBatch& batch) const {
  const at::Tensor s = pairwise_similarity(columns[0], columns[1], similarity_) * scale_;
  const at::Tensor y = labels_of(batch, s).squeeze(1);
  const at::Tensor in_order = y.unsqueeze(0).le(y.unsqueeze(1));  // [j, i]: y_i <= y_j
  const at::Tensor gaps = (s.unsqueeze(1) - s.unsqueeze(0)).masked_fill(in_order, -INFINITY);
  return at::logsumexp(at::cat({at::zeros({1}, s.options()), gaps.flatten()}), {0});
}

}  // namespace attune
