// InfoNCE (van den Oord et al. 2018) where a query may have several positives in the batch, and
// passages that are likely no negatives are left out. Not in sentence-transformers.
//
//   loss = mean_i mean_{p in P_i} ( log( exp s_ip + sum_{j in N_i} exp s_ij ) - s_ip )
//
// s_ij = scale * similarity(q_i, d_j) over the batch's different passages, each once. P_i are those
// that answer query i, or with `own_positive` its row's positive alone. N_i are all others, less
//   by document  those that answer the query,
//   by margin    those with similarity_ij > similarity_ip - margin, p the row's own positive and
//                the comparison not differentiated (Qwen3-Embedding, arXiv 2506.05176, eq. 3: there
//                margin is -0.1); "relative": > similarity_ip - |similarity_ip| * margin.
#pragma once

#include "trainer/losses/composed_loss.h"
#include "trainer/losses/similarity.h"

namespace attune {

struct InfoNceSettings {
  double scale = 20;
  Similarity similarity = Similarity::kCosine;
  bool own_positive = false;
  bool mask_documents = true, mask_margin = false;
  double margin = 0;
  bool relative_margin = false;
};

class InfoNceLoss : public ComposedLoss {
 public:
  explicit InfoNceLoss(const InfoNceSettings& settings = {}) : settings_(settings) {}
  void check(const RowSource& rows, int dimension) const override;
  bool contrasts_rows() const override { return true; }

 protected:
  at::Tensor compute(const std::vector<at::Tensor>& columns,
                     const TrainingBatch& batch) const override;

 private:
  InfoNceSettings settings_;
};

// Of a reference [n, 1] and similarities [n, m]: which exceed it less the margin.
at::Tensor exceeds_by_margin(const at::Tensor& similarities, const at::Tensor& reference,
                             double margin, bool relative);

}  // namespace attune
