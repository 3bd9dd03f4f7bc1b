#include "trainer/losses/triplet.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/relu.h>

namespace attune {

void TripletLoss::check(const RowSource& rows, int) const { check_columns(rows, "triplet", 3, 3); }

at::Tensor TripletLoss::compute(const std::vector<at::Tensor>& columns,
                                const TrainingBatch&) const {
  const at::Tensor positive = pairwise_similarity(columns[0], columns[1], similarity_),
                   negative = pairwise_similarity(columns[0], columns[2], similarity_);
  return at::relu(negative - positive + margin_).mean();
}

}  // namespace attune
