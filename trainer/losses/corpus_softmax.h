// Softmax over the whole frozen corpus instead of the batch's passages: what in-batch negatives
// (van den Oord et al. 2018) estimate, exactly.
//
//   s_ij = scale * cos(q_i, d_j),  P_i the documents relevant to i
//   loss = mean_i mean_{p in P_i} ( log( exp s_ip + sum_{j not in P_i} exp s_ij ) - s_ip )
//
// so that a query's other positives are no negatives of each. Documents are taken in blocks, twice
// (the sum, then the gradient): memory is rows x block, whatever the corpus. Documents that are
// trained too stand in the batch behind the queries, all of them in every step, and get their
// gradient.
#pragma once

#include "trainer/losses/loss.h"

namespace attune {

class CorpusSoftmaxLoss : public Loss {
 public:
  // documents [n, d] fp32, frozen; kept normalised.
  CorpusSoftmaxLoss(const at::Tensor& documents, double scale, std::int64_t block = 8192);
  // Trained documents: those of every batch.
  explicit CorpusSoftmaxLoss(double scale, std::int64_t block = 8192);
  // Column 0 of the batch holds the queries, and there is no other; needs batch.relevant. vectors
  // [rows, d], or [rows + n, d] where the documents are trained.
  LossOutput evaluate(const at::Tensor& vectors, const TrainingBatch& batch) const override;
  void check(const RowSource& rows, int dimension) const override;

 private:
  at::Tensor units_;  // undefined: trained
  double scale_;
  std::int64_t block_;
};

}  // namespace attune
