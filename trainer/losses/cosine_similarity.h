// The cosine of two texts is to be their score. As sentence-transformers' CosineSimilarityLoss
// (Reimers and Gurevych 2019, "Sentence-BERT", section 3, regression objective).
//
//   loss = mean_i (cos(a_i, b_i) - y_i)^2
#pragma once

#include "trainer/losses/composed_loss.h"

namespace attune {

class CosineSimilarityLoss : public ComposedLoss {
 public:
  void check(const RowSource& rows, int dimension) const override;

 protected:
  at::Tensor compute(const std::vector<at::Tensor>& columns,
                     const TrainingBatch& batch) const override;
};

}  // namespace attune
