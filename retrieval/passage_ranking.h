// Who ranks passages for hard-negative mining: a model by cosine similarity, BM25, or the two in
// turn.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <attune/base_embedding.h>

#include "retrieval/hit.h"

namespace attune {

class PassageRanking {
 public:
  virtual ~PassageRanking() = default;
  // The best `depth` passages of each query, best first; equal scores by ascending row. The queries
  // are those that scores() is asked about next.
  virtual std::vector<std::vector<Hit>> rank(std::span<const std::string_view> queries,
                                             int depth) = 0;
  // The scores of these passages for a query of the latest rank(): the same numbers.
  virtual std::vector<float> scores(std::int64_t query,
                                    std::span<const std::int64_t> passages) const = 0;
};

// Embeds the passages. The model outlives it.
std::unique_ptr<PassageRanking> rank_by_model(const BaseEmbedding& model,
                                              std::span<const std::string_view> passages);
// Passages that share no word with a query are not ranked and score 0.
std::unique_ptr<PassageRanking> rank_by_bm25(std::span<const std::string_view> passages);
// The model's best, BM25's best, the model's second, ..., each passage once; scores by the model.
std::unique_ptr<PassageRanking> rank_by_both(const BaseEmbedding& model,
                                             std::span<const std::string_view> passages);

}  // namespace attune
