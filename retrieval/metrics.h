// Ranking metrics with binary relevance, as sentence-transformers' InformationRetrievalEvaluator
// defines them. Formulas, sources, and where trec_eval and LlamaIndex differ: docs/metrics.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace attune {

// What one query got: corpus rows in rank order (no row twice), and the rows that are relevant.
struct Ranking {
  std::vector<std::int64_t> retrieved;
  std::vector<std::int64_t> relevant;  // never empty, no row twice
};

// Per-query values at cut-off k >= 1; every value is in [0, 1]; nothing retrieved scores 0.
double hit_rate(const Ranking& ranking, int k);   // 1 if a relevant row is in the first k
double precision(const Ranking& ranking, int k);  // relevant in the first k / k
double recall(const Ranking& ranking, int k);     // relevant in the first k / number relevant
double mrr(const Ranking& ranking, int k);        // 1 / rank of the first relevant within k, else 0
double ndcg(const Ranking& ranking, int k);  // gain 1/log2(rank+1); ideal: min(k, relevant) first
double average_precision(const Ranking& ranking,
                         int k);  // sum of precision at hits / min(k, relevant)

// Means over queries, and per-query values for intervals. Keys in a fixed order, e.g. "hit_rate@1",
// "mrr@10", "ndcg@10", "recall@10", "precision@5", "map@100".
struct MetricTable {
  std::vector<std::string> names;
  std::vector<std::vector<double>> per_query;  // [metric][query]
  double mean(
      const std::string& name) const;  // throws InternalError for an unknown name or no query
  const std::vector<double>& values(const std::string& name) const;
};

// hit_rate, precision, recall, mrr and ndcg at every k (ascending, each once); map at the largest
// of (100, k).
MetricTable compute_metrics(const std::vector<Ranking>& rankings, const std::vector<int>& k);

}  // namespace attune
