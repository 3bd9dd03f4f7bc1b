// The distribution over a query's passages is to be a teacher's. As sentence-transformers'
// DistillKLDivLoss (Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"; Lin et al.
// 2020 for retrieval), with one temperature T = 1 / scale for both.
//
//   loss = T^2 * mean_i KL( softmax_k(t_ik / T) || softmax_k(s(q_i, d_ik) / T) )
//
// d_ik are the row's positive and negatives, labels the teacher's scores t_ik, one for each.
#pragma once

#include "trainer/losses/composed_loss.h"
#include "trainer/losses/similarity.h"

namespace attune {

class KlDivergenceLoss : public ComposedLoss {
 public:
  explicit KlDivergenceLoss(double scale = 1, Similarity similarity = Similarity::kDot)
      : scale_(scale), similarity_(similarity) {}
  void check(const RowSource& rows, int dimension) const override;

 protected:
  at::Tensor compute(const std::vector<at::Tensor>& columns,
                     const TrainingBatch& batch) const override;

 private:
  double scale_;
  Similarity similarity_;
};

}  // namespace attune
