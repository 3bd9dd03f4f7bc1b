// GISTEmbed: in-batch negatives, less those that a guide model finds nearer than the positive.
// Source: Solatorio 2024, "GISTEmbed", arXiv 2402.16829, as sentence-transformers' GISTEmbedLoss
// (its temperature is 1 / scale, 0.01).
//
//   loss = mean_i ( log sum_{x in X_i} exp(scale * cos_ix) - scale * cos(q_i, p_i) )
//
// X_i: every positive, every query and every positive again as neighbours of p_i (the blocks
// q_i-p, q_i-q, p_i-p), and every negative, except those with guide_ix > guide(q_i, p_i) - margin,
// guide_ix the cosine of the same two texts in the guide's space; q_i-p_i always stays. Unlike the
// peer, any number of negative columns.
#pragma once

#include "trainer/losses/composed_loss.h"

namespace attune {

struct GistSettings {
  double scale = 100;
  double margin = 0;
  bool relative_margin = false;
  bool contrast_anchors = true, contrast_positives = true;
};

class GistLoss : public ComposedLoss {
 public:
  explicit GistLoss(const GistSettings& settings = {}) : settings_(settings) {}
  void check(const RowSource& rows, int dimension) const override;
  bool contrasts_rows() const override { return true; }

 protected:
  // Needs batch.guide.
  at::Tensor compute(const std::vector<at::Tensor>& columns,
                     const TrainingBatch& batch) const override;

 private:
  GistSettings settings_;
};

}  // namespace attune
