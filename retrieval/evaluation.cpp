#include "retrieval/evaluation.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <string_view>
#include <utility>

#include <attune/settings.h>

#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"
#include "retrieval/bm25.h"
#include "retrieval/exact_search.h"

namespace attune {
namespace {

// sentence-transformers ranks 100 deep for MAP@100.
int hit_depth(const std::vector<int>& k) {
  if (k.empty())
    throw_error(ErrorKind::kConfig, "evaluate.k is empty; give cut-offs such as [1, 3, 5, 10]");
  for (int cut : k)
    if (cut < 1)
      throw_error(ErrorKind::kConfig, "evaluate.k holds ", cut, "; a cut-off is at least 1");
  return std::max(100, *std::max_element(k.begin(), k.end()));
}

// The queries with a relevant passage, their rankings still without what was retrieved.
Evaluation with_judgements(const EmbeddingQAFinetuneDataset& dataset, std::string model) {
  const auto num_queries = static_cast<std::size_t>(dataset.queries.size());
  ATTUNE_ASSERT(dataset.relevant_docs.size() == num_queries);
  Evaluation evaluation;
  evaluation.model = std::move(model);
  for (std::size_t query = 0; query < num_queries; ++query) {
    std::vector<std::int64_t> relevant = dataset.relevant_docs[query];
    std::sort(relevant.begin(), relevant.end());
    relevant.erase(std::unique(relevant.begin(), relevant.end()), relevant.end());
    if (relevant.empty()) continue;
    ATTUNE_ASSERT(relevant.front() >= 0 && relevant.back() < dataset.corpus.size());
    evaluation.query_rows.push_back(static_cast<std::int64_t>(query));
    evaluation.rankings.push_back({{}, std::move(relevant)});
  }
  const std::size_t kept = evaluation.query_rows.size();
  if (kept == 0)
    throw_error(ErrorKind::kData, "nothing to evaluate: of the data set's ", num_queries,
                " queries none has a relevant passage in relevant_docs");
  if (kept < num_queries)
    log_info(str_cat("evaluation of ", evaluation.model, ": left out ", num_queries - kept, " of ",
                     num_queries, " queries, which have no relevant passage"));
  return evaluation;
}

// Corpus rows by ascending id. Bytes of UTF-8 sort as code points, so as Python's strings.
std::vector<std::int64_t> rows_by_id(const TextTable& corpus) {
  std::vector<std::int64_t> rows(corpus.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::sort(rows.begin(), rows.end(),
            [&](std::int64_t a, std::int64_t b) { return corpus.id(a) < corpus.id(b); });
  return rows;
}

std::vector<std::int64_t> rows_of(const std::vector<Hit>& hits) {
  std::vector<std::int64_t> rows(hits.size());
  std::transform(hits.begin(), hits.end(), rows.begin(), [](const Hit& hit) { return hit.row; });
  return rows;
}

bool is_relevant(const Ranking& ranking, std::int64_t row) {
  return std::binary_search(ranking.relevant.begin(), ranking.relevant.end(), row);
}

// What the search told.
void add_scores(Evaluation& evaluation, const std::vector<std::vector<Hit>>& hits) {
  evaluation.scores.resize(hits.size());
  for (std::size_t i = 0; i < hits.size(); ++i) {
    QueryScores& scores = evaluation.scores[i];
    for (const Hit& hit : hits[i]) {
      scores.retrieved.push_back(hit.score);
      float& best =
          is_relevant(evaluation.rankings[i], hit.row) ? scores.positive : scores.negative;
      if (std::isnan(best)) best = hit.score;
    }
  }
}

// A passage that does not answer the query, the same in every evaluation of the data set; -1 where
// all do.
std::int64_t random_negative(const Ranking& ranking, std::size_t query, std::size_t passages) {
  std::uint64_t z = (query + 1) * 0x9e3779b97f4a7c15ull;  // splitmix64
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  const std::size_t first = (z ^ (z >> 31)) % passages;
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
  const int depth = hit_depth(k);
  Evaluation evaluation = with_judgements(dataset, model.model_name());

  const std::vector<std::string_view> passages(dataset.corpus.texts().begin(),
                                               dataset.corpus.texts().end());
  std::vector<std::string_view> queries;
  for (std::int64_t row : evaluation.query_rows) queries.push_back(dataset.queries.text(row));
  const std::vector<float> corpus_vectors = model.get_text_embedding_batch(passages);
  const std::vector<float> query_vectors = model.get_query_embedding_batch(queries);
  ATTUNE_ASSERT(corpus_vectors.size() == passages.size() * model.dimension());
  ATTUNE_ASSERT(query_vectors.size() == queries.size() * model.dimension());

  const std::vector<std::int64_t> order = rows_by_id(dataset.corpus);
  std::vector<std::int64_t> tie_rank(order.size());
  for (std::size_t rank = 0; rank < order.size(); ++rank)
    tie_rank[order[rank]] = static_cast<std::int64_t>(rank);
  const auto hits = exact_search(query_vectors, corpus_vectors, model.dimension(), depth, tie_rank);
  for (std::size_t i = 0; i < hits.size(); ++i) evaluation.rankings[i].retrieved = rows_of(hits[i]);
  add_scores(evaluation, hits);
  add_missing_scores(evaluation, model.dimension(), query_vectors, corpus_vectors);
  evaluation.metrics = compute_metrics(evaluation.rankings, k);
  return evaluation;
}

Evaluation evaluate(const EmbeddingQAFinetuneDataset& dataset, const std::vector<int>& k) {
  return evaluate(*Settings::embed_model(Settings::Component::kEvaluator), dataset, k);
}

Evaluation evaluate_bm25(const EmbeddingQAFinetuneDataset& dataset, const std::vector<int>& k) {
  const int depth = hit_depth(k);
  Evaluation evaluation = with_judgements(dataset, "BM25");

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
      evaluation.rankings[i].retrieved = rows_of(hits[i]);
    }
  });
  add_scores(evaluation, hits);
  evaluation.metrics = compute_metrics(evaluation.rankings, k);
  return evaluation;
}

}  // namespace attune
