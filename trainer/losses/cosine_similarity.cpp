#include "trainer/losses/cosine_similarity.h"

#include <ATen/TensorOperators.h>

#include "trainer/losses/similarity.h"

namespace attune {

void CosineSimilarityLoss::check(const RowSource& rows, int) const {
  check_columns(rows, "cosine_similarity", 2, 2);
  check_labels(rows, "cosine_similarity", 1, "the cosine that the two texts are to have");
}

at::Tensor CosineSimilarityLoss::compute(const std::vector<at::Tensor>& columns,
                                         const TrainingBatch& batch) const {
  const at::Tensor cosine = pairwise_similarity(columns[0], columns[1], Similarity::kCosine);
  return (cosine - labels_of(batch, cosine).squeeze(1)).square().mean();
}

}  // namespace attune
