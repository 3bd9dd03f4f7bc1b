// CoSENT: pairs with higher scores are to be more similar than pairs with lower ones. Source: Su
// 2022, https://kexue.fm/archives/8847, as sentence-transformers' CoSENTLoss.
//
//   loss = log( 1 + sum over (i, j) with y_i > y_j of exp( scale * (s_j - s_i) ) )
//
// with s_i the similarity of row i's two texts and y_i its score. Memory is rows x rows.
#pragma once

#include "trainer/losses/composed_loss.h"
#include "trainer/losses/similarity.h"

namespace attune {

class CosentLoss : public ComposedLoss {
 public:
  explicit CosentLoss(double scale = 20, Similarity similarity = Similarity::kCosine)
      : scale_(scale), similarity_(similarity) {}
  void check(const RowSource& rows, int dimension) const override;
  bool contrasts_rows() const override { return true; }

 protected:
  at::Tensor compute(const std::vector<at::Tensor>& columns,
                     const TrainingBatch& batch) const override;

 private:
  double scale_;
  Similarity similarity_;
};

}  // namespace attune
