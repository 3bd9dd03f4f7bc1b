// Triplet loss: the positive is to be nearer than the negative by a margin. Source: Schroff et al.
// 2015, "FaceNet", as sentence-transformers' TripletLoss.
//
//   loss = mean_i max(0, dist(q_i, p_i) - dist(q_i, n_i) + margin)
//
// dist is the Euclidean or Manhattan distance, or 1 - cosine.
#pragma once

#include "trainer/losses/composed_loss.h"
#include "trainer/losses/similarity.h"

namespace attune {

class TripletLoss : public ComposedLoss {
 public:
  explicit TripletLoss(double margin = 5, Similarity similarity = Similarity::kEuclidean)
      : margin_(margin), similarity_(similarity) {}
  void check(const RowSource& rows, int dimension) const override;

 protected:
  at::Tensor compute(const std::vector<at::Tensor>& columns,
                     const TrainingBatch& batch) const override;

 private:
  double margin_;
  Similarity similarity_;
};

}  // namespace attune
