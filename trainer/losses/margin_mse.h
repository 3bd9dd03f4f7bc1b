// The gap between positive and negatives is to be a teacher's. Source: Hofstaetter et al. 2020,
// "Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation", as
// sentence-transformers' MarginMSELoss.
//
//   loss = mean over i, k of ( s(q_i, p_i) - s(q_i, n_ik) - t_ik )^2
//
// Labels of a row are the gaps t_ik, one a negative, or the teacher's scores of the positive and
// each negative.
#pragma once

#include "trainer/losses/composed_loss.h"
#include "trainer/losses/similarity.h"

namespace attune {

class MarginMseLoss : public ComposedLoss {
 public:
  explicit MarginMseLoss(Similarity similarity = Similarity::kDot) : similarity_(similarity) {}
  void check(const RowSource& rows, int dimension) const override;

 protected:
  at::Tensor compute(const std::vector<at::Tensor>& columns,
                     const TrainingBatch& batch) const override;

 private:
  Similarity similarity_;
};

}  // namespace attune
