// MultipleNegativesRankingLoss (InfoNCE with in-batch negatives), as sentence-transformers 6.0.1
// with its defaults (query to document, joint). Source: Henderson et al. 2017, "Efficient Natural
// Language Response Suggestion for Smart Reply"; van den Oord et al. 2018 for the name InfoNCE.
//
//   S[i, j] = scale * cos(q_i, d_j),  d = all positives, then all first negatives, ...
//   loss    = mean_i( logsumexp_j S[i, j] - S[i, i] )
//
// Column 0 of the batch holds the queries, column 1 the positives, any further ones hard negatives.
#pragma once

#include "trainer/losses/loss.h"

namespace attune {

class MultipleNegativesRankingLoss : public Loss {
 public:
  explicit MultipleNegativesRankingLoss(double scale = 20) : scale_(scale) {}
  LossOutput evaluate(const at::Tensor& vectors, const TrainingBatch& batch) const override;

 private:
  double scale_;
};

}  // namespace attune
