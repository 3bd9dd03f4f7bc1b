#include "retrieval/judged_queries.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/log.h"

namespace attune {

int ranking_depth(const std::vector<int>& k) {
  if (k.empty())
    throw_error(ErrorKind::kConfig, "evaluate.k is empty; give cut-offs such as [1, 3, 5, 10]");
  for (int cut : k)
    if (cut < 1)
      throw_error(ErrorKind::kConfig, "evaluate.k holds ", cut, "; a cut-off is at least 1");
  return std::max(100, *std::max_element(k.begin(), k.end()));
}

Evaluation judged_queries(const EmbeddingQAFinetuneDataset& dataset, std::string model) {
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

void set_hits(Evaluation& evaluation, const std::vector<std::vector<Hit>>& hits,
              const std::vector<int>& k) {
  ATTUNE_ASSERT(hits.size() == evaluation.rankings.size());
  evaluation.scores.resize(hits.size());
  for (std::size_t i = 0; i < hits.size(); ++i) {
    Ranking& ranking = evaluation.rankings[i];
    QueryScores& scores = evaluation.scores[i];
    for (const Hit& hit : hits[i]) {
      ranking.retrieved.push_back(hit.row);
      scores.retrieved.push_back(hit.score);
      float& best = is_relevant(ranking, hit.row) ? scores.positive : scores.negative;
      if (std::isnan(best)) best = hit.score;
    }
  }
  evaluation.metrics = compute_metrics(evaluation.rankings, k);
}

std::vector<std::int64_t> rows_by_id(const TextTable& corpus) {
  std::vector<std::int64_t> rows(corpus.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::sort(rows.begin(), rows.end(),
            [&](std::int64_t a, std::int64_t b) { return corpus.id(a) < corpus.id(b); });
  return rows;
}

std::vector<std::int64_t> ranks_by_id(const TextTable& corpus) {
  const std::vector<std::int64_t> order = rows_by_id(corpus);
  std::vector<std::int64_t> ranks(order.size());
  for (std::size_t rank = 0; rank < order.size(); ++rank)
    ranks[order[rank]] = static_cast<std::int64_t>(rank);
  return ranks;
}

bool is_relevant(const Ranking& ranking, std::int64_t row) {
  return std::binary_search(ranking.relevant.begin(), ranking.relevant.end(), row);
}

}  // namespace attune
