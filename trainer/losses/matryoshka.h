// Any loss, also of vectors cut short, so that their first numbers alone retrieve well. Source:
// Kusupati et al. 2022, "Matryoshka Representation Learning", as sentence-transformers'
// MatryoshkaLoss.
//
//   loss = sum_m w_m * L( v[:d_m] / |v[:d_m]| )
//
// The sum is not a mean, and the whole vector is one of the d_m only if it is named.
#pragma once

#include "trainer/losses/loss.h"

namespace attune {

class MatryoshkaLoss : public Loss {
 public:
  MatryoshkaLoss(std::unique_ptr<Loss> inner, const MatryoshkaConfig& config);
  LossOutput evaluate(const at::Tensor& vectors, const TrainingBatch& batch) const override;
  void check(const RowSource& rows, int dimension) const override;
  bool contrasts_rows() const override { return inner_->contrasts_rows(); }

 private:
  std::unique_ptr<Loss> inner_;
  MatryoshkaConfig config_;
};

}  // namespace attune
