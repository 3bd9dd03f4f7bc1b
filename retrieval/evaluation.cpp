#include "retrieval/evaluation.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include <attune/settings.h>

#include "core/error.h"
#include "core/parallel.h"
#include "kernels/counter_dropout.h"
#include "retrieval/bm25.h"
#include "retrieval/exact_search.h"
#include "retrieval/judged_queries.h"

namespace attune {
namespace {

// A passage that does not answer the query, the same in every evaluation of the data set; -1 where
// all do.
std::int64_t random_negative(const Ranking& ranking, std::size_t query, std::size_t passages) {
  const std::size_t first = mix64((query + 1) * 0x9e3779b97f4a7c15ull) % passages;
  for (std::size_t i = 0; i <= ranking.relevant.size() && i < passages; ++i)
    if (const auto row = static_cast<std::int64_t>((first + i) % passages);
        !is_relevant(ranking, row))
      return row;
  return -1;
}

// The positives that were not retrieved, and a random negative of each query.
void add_missing_scores(Evaluation& evaluation, int dimension, std::span<const float> queries,
                        std::span<const float> corpus) {
  parallel_for(std::ssize(evaluation.scores), 0, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Ranking& ranking = evaluation.rankings[i];
      QueryScores& scores = evaluation.scores[i];
      const auto score = [&](std::int64_t row) {
        return cosine_similarity(queries.subspan(i * dimension, dimension),
                                 corpus.subspan(row * dimension, dimension));
      };
      if (std::isnan(scores.positive))
        for (const std::int64_t row : ranking.relevant)
          scores.positive = std::fmax(scores.positive, score(row));
      const std::int64_t row = random_negative(ranking, i, corpus.size() / dimension);
      if (row >= 0) scores.random = score(row);
    }
  });
}

}  // namespace

Evaluation evaluate(const BaseEmbedding& model, const EmbeddingQAFinetuneDataset& dataset,
                    const std::vector<int>& k) {
  const int depth = ranking_depth(k);
  Evaluation evaluation = judged_queries(dataset, model.model_name());

  const std::vector<std::string_view> passages(dataset.corpus.texts().begin(),
                                               dataset.corpus.texts().end());
  std::vector<std::string_view> queries;
  for (std::int64_t row : evaluation.query_rows) queries.push_back(dataset.queries.text(row));
  const std::vector<float> corpus_vectors = model.get_text_embedding_batch(passages);
  const std::vector<float> query_vectors = model.get_query_embedding_batch(queries);
  ATTUNE_ASSERT(corpus_vectors.size() == passages.size() * model.dimension());
  ATTUNE_ASSERT(query_vectors.size() == queries.size() * model.dimension());

  set_hits(evaluation,
           exact_search(query_vectors, UnitRows(corpus_vectors, model.dimension()), depth,
                        ranks_by_id(dataset.corpus)),
           k);
  add_missing_scores(evaluation, model.dimension(), query_vectors, corpus_vectors);
  return evaluation;
}

Evaluation evaluate(const EmbeddingQAFinetuneDataset& dataset, const std::vector<int>& k) {
  return evaluate(*Settings::embed_model(Settings::Component::kEvaluator), dataset, k);
}

Evaluation evaluate_bm25(const EmbeddingQAFinetuneDataset& dataset, const std::vector<int>& k) {
  const int depth = ranking_depth(k);
  Evaluation evaluation = judged_queries(dataset, "BM25");
  evaluation.is_candidate = false;

  // Indexed in the order of their ids, so that the index's ties by row are ties by id.
  const std::vector<std::int64_t> order = rows_by_id(dataset.corpus);
  std::vector<std::string> passages;
  passages.reserve(order.size());
  for (std::int64_t row : order) passages.push_back(dataset.corpus.text(row));
  const Bm25Index index(passages);
  std::vector<std::vector<Hit>> hits(evaluation.query_rows.size());
  parallel_for(std::ssize(hits), 0, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      hits[i] = index.search(dataset.queries.text(evaluation.query_rows[i]), depth);
      for (Hit& hit : hits[i]) hit.row = order[hit.row];
    }
  });
  set_hits(evaluation, hits, k);
  return evaluation;
}

}  // namespace attune
