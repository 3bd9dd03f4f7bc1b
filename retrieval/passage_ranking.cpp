#include "retrieval/passage_ranking.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/parallel.h"
#include "retrieval/bm25.h"
#include "retrieval/exact_search.h"

namespace attune {
namespace {

class ModelRanking : public PassageRanking {
 public:
  ModelRanking(const BaseEmbedding& model, std::span<const std::string_view> passages)
      : model_(model), order_(passages.size()), vectors_(model.get_text_embedding_batch(passages)) {
    std::iota(order_.begin(), order_.end(), 0);
  }

  std::vector<std::vector<Hit>> rank(std::span<const std::string_view> queries,
                                     int depth) override {
    queries_ = model_.get_query_embedding_batch(queries);
    return exact_search(queries_, UnitRows(vectors_, model_.dimension()), depth, order_);
  }

  std::vector<float> scores(std::int64_t query,
                            std::span<const std::int64_t> passages) const override {
    const int dimension = model_.dimension();
    const auto asked = std::span(queries_).subspan(query * dimension, dimension);
    std::vector<float> scores;
    for (const std::int64_t row : passages)
      scores.push_back(
          cosine_similarity(asked, std::span(vectors_).subspan(row * dimension, dimension)));
    return scores;
  }

 private:
  const BaseEmbedding& model_;
  std::vector<std::int64_t> order_;  // 0, 1, ...
  std::vector<float> vectors_, queries_;
};

class Bm25Ranking : public PassageRanking {
 public:
  explicit Bm25Ranking(std::span<const std::string_view> passages)
      : num_passages_(static_cast<int>(passages.size())),
        index_(std::vector<std::string>(passages.begin(), passages.end())) {}

  std::vector<std::vector<Hit>> rank(std::span<const std::string_view> queries,
                                     int depth) override {
    queries_.assign(queries.begin(), queries.end());
    std::vector<std::vector<Hit>> hits(queries.size());
    parallel_for(std::ssize(queries), 0, 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) hits[i] = index_.search(queries[i], depth);
    });
    return hits;
  }

  std::vector<float> scores(std::int64_t query,
                            std::span<const std::int64_t> passages) const override {
    std::unordered_map<std::int64_t, float> score_of;
    for (const Hit& hit : index_.search(queries_[query], num_passages_))
      score_of.emplace(hit.row, hit.score);
    std::vector<float> scores;
    for (const std::int64_t row : passages) {
      const auto found = score_of.find(row);
      scores.push_back(found == score_of.end() ? 0 : found->second);
    }
    return scores;
  }

 private:
  int num_passages_;
  Bm25Index index_;
  std::vector<std::string_view> queries_;
};

class BothRanking : public PassageRanking {
 public:
  BothRanking(const BaseEmbedding& model, std::span<const std::string_view> passages)
      : model_(model, passages), bm25_(passages) {}

  std::vector<std::vector<Hit>> rank(std::span<const std::string_view> queries,
                                     int depth) override {
    auto rankings = model_.rank(queries, depth);
    const auto of_bm25 = bm25_.rank(queries, depth);
    for (std::size_t query = 0; query < rankings.size(); ++query)
      rankings[query] = in_turn(query, rankings[query], of_bm25[query], depth);
    return rankings;
  }

  std::vector<float> scores(std::int64_t query,
                            std::span<const std::int64_t> passages) const override {
    return model_.scores(query, passages);
  }

 private:
  std::vector<Hit> in_turn(std::size_t query, const std::vector<Hit>& first,
                           const std::vector<Hit>& second, int depth) const {
    std::vector<std::int64_t> rows;
    std::unordered_set<std::int64_t> seen;
    const auto take = [&](const std::vector<Hit>& hits, std::size_t i) {
      if (i < hits.size() && std::ssize(rows) < depth && seen.insert(hits[i].row).second)
        rows.push_back(hits[i].row);
    };
    for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
      take(first, i);
      take(second, i);
    }
    const std::vector<float> scores = model_.scores(static_cast<std::int64_t>(query), rows);
    std::vector<Hit> hits;
    for (std::size_t i = 0; i < rows.size(); ++i) hits.push_back({rows[i], scores[i]});
    return hits;
  }

  ModelRanking model_;
  Bm25Ranking bm25_;
};

}  // namespace

std::unique_ptr<PassageRanking> rank_by_model(const BaseEmbedding& model,
                                              std::span<const std::string_view> passages) {
  return std::make_unique<ModelRanking>(model, passages);
}

std::unique_ptr<PassageRanking> rank_by_bm25(std::span<const std::string_view> passages) {
  return std::make_unique<Bm25Ranking>(passages);
}

std::unique_ptr<PassageRanking> rank_by_both(const BaseEmbedding& model,
                                             std::span<const std::string_view> passages) {
  return std::make_unique<BothRanking>(model, passages);
}

}  // namespace attune
