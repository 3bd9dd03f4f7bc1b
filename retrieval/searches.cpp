#include "retrieval/searches.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include <attune/vector_store_index.h>

#include "core/durable.h"
#include "core/error.h"
#include "core/parallel.h"
#include "models/cached_embedding.h"
#include "retrieval/exact_search.h"
#include "retrieval/judged_queries.h"
#include "retrieval/rank_fusion.h"

namespace attune {
namespace {

using Hits = std::vector<std::vector<Hit>>;  // [evaluated queries]

Hits hits_of(const Evaluation& evaluation) {
  Hits hits;
  for (std::size_t query = 0; query < evaluation.rankings.size(); ++query) {
    std::vector<Hit>& of_query = hits.emplace_back();
    const std::vector<std::int64_t>& rows = evaluation.rankings[query].retrieved;
    for (std::size_t i = 0; i < rows.size(); ++i)
      of_query.push_back({rows[i], evaluation.scores[query].retrieved[i]});
  }
  return hits;
}

class Searches {
 public:
  Searches(std::shared_ptr<const BaseEmbedding> model, const EmbeddingQAFinetuneDataset& dataset,
           const std::vector<int>& k)
      : model_(std::move(model)),
        dataset_(dataset),
        k_(k),
        depth_(ranking_depth(k)),
        tie_rank_(ranks_by_id(dataset.corpus)),
        dense_(evaluate(*model_, dataset, k)) {
    for (const std::int64_t row : dense_.query_rows) queries_.push_back(dataset.queries.text(row));
  }

  const Evaluation& dense() const { return dense_; }

  Hits hybrid() {
    const Hits dense = hits_of(dense_), words = hits_of(bm25());
    Hits hits;
    for (std::size_t query = 0; query < dense.size(); ++query)
      hits.push_back(fuse_ranks(std::vector{dense[query], words[query]}, depth_, tie_rank_));
    return hits;
  }

  Hits reranked() {
    Hits hits = hits_of(bm25());
    const auto width = static_cast<std::size_t>(model_->dimension());
    const std::vector<std::string_view> passages(dataset_.corpus.texts().begin(),
                                                 dataset_.corpus.texts().end());
    const std::vector<float> corpus = model_->get_text_embedding_batch(passages);
    const std::vector<float> queries = model_->get_query_embedding_batch(queries_);
    parallel_for(std::ssize(hits), 0, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        for (Hit& hit : hits[i])
          hit.score = cosine_similarity(std::span(queries).subspan(i * width, width),
                                        std::span(corpus).subspan(hit.row * width, width));
        std::sort(hits[i].begin(), hits[i].end(), [&](const Hit& a, const Hit& b) {
          return a.score != b.score ? a.score > b.score : tie_rank_[a.row] < tie_rank_[b.row];
        });
      }
    });
    return hits;
  }

  Hits through_index(bool approximate, const std::string& folder) {
    std::vector<TextNode> nodes;
    for (std::int64_t row = 0; row < dataset_.corpus.size(); ++row)
      nodes.push_back({dataset_.corpus.id(row), dataset_.corpus.text(row)});
    IndexOptions options;
    options.approximate = approximate;
    remove_durably(folder);
    Hits hits;
    {
      const auto index = VectorStoreIndex::from_documents(nodes, model_, folder, options);
      const VectorIndexRetriever retriever = index.as_retriever(depth_);
      // In blocks: what is retrieved holds a copy of every text.
      constexpr std::size_t kBlock = 64;
      for (std::size_t begin = 0; begin < queries_.size(); begin += kBlock) {
        const std::size_t count = std::min(kBlock, queries_.size() - begin);
        for (const auto& found :
             retriever.retrieve_batch(std::span(queries_).subspan(begin, count))) {
          std::vector<Hit>& of_query = hits.emplace_back();
          for (const NodeWithScore& node : found)
            of_query.push_back({dataset_.corpus.find(node.node.id), node.score});
        }
      }
    }
    remove_durably(folder);
    return hits;
  }

 private:
  const Evaluation& bm25() {
    if (!bm25_) bm25_ = evaluate_bm25(dataset_, k_);
    return *bm25_;
  }

  std::shared_ptr<const BaseEmbedding> model_;
  const EmbeddingQAFinetuneDataset& dataset_;
  const std::vector<int>& k_;
  int depth_;
  std::vector<std::int64_t> tie_rank_;
  Evaluation dense_;
  std::optional<Evaluation> bm25_;
  std::vector<std::string_view> queries_;  // of the evaluated ones
};

}  // namespace

std::vector<Evaluation> evaluate_searches(const std::shared_ptr<const BaseEmbedding>& model,
                                          const std::string& name,
                                          const EmbeddingQAFinetuneDataset& dataset,
                                          const std::vector<int>& k,
                                          std::span<const std::string> searches,
                                          const std::string& index_folder) {
  if (searches.empty()) {
    std::vector<Evaluation> alone = {evaluate(*model, dataset, k)};
    alone[0].model = name;
    return alone;
  }
  Searches made(std::make_shared<CachedEmbedding>(model, /*folder=*/""), dataset, k);
  std::vector<Evaluation> rows = {made.dense()};
  rows[0].model = name;
  for (const std::string& search : searches) {
    Evaluation row = judged_queries(dataset, str_cat(name, " (", search, ")"));
    if (search == "hybrid") {
      set_hits(row, made.hybrid(), k);
      // Sums of reciprocal ranks are no similarities.
      for (QueryScores& scores : row.scores) scores.positive = scores.negative = NAN;
    } else if (search == "reranked") {
      set_hits(row, made.reranked(), k);
    } else if (search == "index" || search == "approximate_index") {
      set_hits(row, made.through_index(search == "approximate_index", index_folder), k);
      row.against = name;
      row.is_candidate = false;
    } else {
      throw_error(ErrorKind::kConfig, "evaluate.searches: '", search,
                  "' is not known: expected hybrid, reranked, index or approximate_index");
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace attune
