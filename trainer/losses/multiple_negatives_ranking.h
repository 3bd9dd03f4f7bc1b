// MultipleNegativesRankingLoss (InfoNCE with in-batch negatives), as sentence-transformers 6.0.1.
// Source: Henderson et al. 2017, "Efficient Natural Language Response Suggestion for Smart Reply";
// van den Oord et al. 2018 for the name InfoNCE.
//
//   S[i, j] = scale * cos(q_i, d_j),  d = all positives, then all first negatives, ...
//   loss    = mean_i( logsumexp_j S[i, j] - S[i, i] )
//
// Column 0 of the batch holds the queries, column 1 the positives, any further ones hard negatives.
// More directions (Guenther et al. 2023, arXiv 2310.19923; Li et al. 2023, arXiv 2308.03281) put
// further similarities beside row i of S, in one softmax or in one each, whose logsumexps are
// averaged:
//   query_to_query  q_i with every other query        doc_to_query  p_i with every query
//   doc_to_doc      p_i with every passage of other rows
// Hardness (Lan et al. 2025, arXiv 2503.04812, eq. 5) adds strength * cos(q_i, d_j), not
// differentiated, to the logits of the chosen negatives: those of other rows, the row's own hard
// negatives, or both.
#pragma once

#include "trainer/losses/composed_loss.h"
#include "trainer/losses/similarity.h"

namespace attune {

struct MnrlSettings {
  double scale = 20;
  Similarity similarity = Similarity::kCosine;
  bool query_to_query = false, doc_to_query = false, doc_to_doc = false;
  bool per_direction = false;
  bool harder_in_batch = false, harder_own = false;
  double hardness_strength = 0;

  bool operator==(const MnrlSettings&) const = default;
};

class MultipleNegativesRankingLoss : public ComposedLoss {
 public:
  explicit MultipleNegativesRankingLoss(double scale = 20) { settings_.scale = scale; }
  explicit MultipleNegativesRankingLoss(const MnrlSettings& settings) : settings_(settings) {}
  // Without further directions and hardness (on a GPU also symmetric), fp32 cosines: in place over
  // a few rows at a time, without autograd: memory grows with the batch, not with its square.
  LossOutput evaluate(const at::Tensor& vectors, const TrainingBatch& batch) const override;
  void check(const RowSource& rows, int dimension) const override;
  bool contrasts_rows() const override { return true; }
  double bytes(const TrainingBatch& batch) const override;
  bool reads_places_alone() const override { return true; }

 protected:
  at::Tensor compute(const std::vector<at::Tensor>& columns,
                     const TrainingBatch& batch) const override;

 private:
  bool is_plain() const;
  bool is_symmetric() const;  // with doc_to_query in a softmax of its own, and nothing else
  LossOutput evaluate_in_place(const at::Tensor& vectors, const TrainingBatch& batch) const;

  MnrlSettings settings_;
};

}  // namespace attune
