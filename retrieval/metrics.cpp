#include "retrieval/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_set>

#include "core/error.h"

namespace attune {
namespace {

// Ranks, from 1, at which relevant rows stand; all that the metrics need to know of a ranking.
struct Judged {
  explicit Judged(const Ranking& ranking)
      : num_relevant(static_cast<std::int64_t>(ranking.relevant.size())) {
    ATTUNE_ASSERT(num_relevant > 0);
    const std::unordered_set<std::int64_t> relevant(ranking.relevant.begin(),
                                                    ranking.relevant.end());
    for (std::size_t i = 0; i < ranking.retrieved.size(); ++i)
      if (relevant.contains(ranking.retrieved[i]))
        ranks.push_back(static_cast<std::int64_t>(i) + 1);
  }

  std::int64_t found(int k) const {
    ATTUNE_ASSERT(k >= 1);
    return std::upper_bound(ranks.begin(), ranks.end(), k) - ranks.begin();
  }

  std::vector<std::int64_t> ranks;  // ascending
  std::int64_t num_relevant;
};

double gain(std::int64_t rank) { return 1.0 / std::log2(static_cast<double>(rank) + 1.0); }

double hit_rate(const Judged& judged, int k) { return judged.found(k) > 0 ? 1.0 : 0.0; }

double precision(const Judged& judged, int k) { return static_cast<double>(judged.found(k)) / k; }

double recall(const Judged& judged, int k) {
  return static_cast<double>(judged.found(k)) / static_cast<double>(judged.num_relevant);
}

double mrr(const Judged& judged, int k) {
  return judged.found(k) > 0 ? 1.0 / static_cast<double>(judged.ranks[0]) : 0.0;
}

double ndcg(const Judged& judged, int k) {
  double value = 0, ideal = 0;
  for (std::int64_t i = 0; i < judged.found(k); ++i) value += gain(judged.ranks[i]);
  for (std::int64_t rank = 1; rank <= std::min<std::int64_t>(k, judged.num_relevant); ++rank)
    ideal += gain(rank);
  return value / ideal;
}

double average_precision(const Judged& judged, int k) {
  double sum = 0;
  for (std::int64_t i = 0; i < judged.found(k); ++i)
    sum += static_cast<double>(i + 1) / static_cast<double>(judged.ranks[i]);
  return sum / static_cast<double>(std::min<std::int64_t>(k, judged.num_relevant));
}

}  // namespace

double hit_rate(const Ranking& ranking, int k) { return hit_rate(Judged(ranking), k); }
double precision(const Ranking& ranking, int k) { return precision(Judged(ranking), k); }
double recall(const Ranking& ranking, int k) { return recall(Judged(ranking), k); }
double mrr(const Ranking& ranking, int k) { return mrr(Judged(ranking), k); }
double ndcg(const Ranking& ranking, int k) { return ndcg(Judged(ranking), k); }
double average_precision(const Ranking& ranking, int k) {
  return average_precision(Judged(ranking), k);
}

const std::vector<double>& MetricTable::values(const std::string& name) const {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw InternalError("no metric '" + name + "' in this table");
  return per_query[found - names.begin()];
}

double MetricTable::mean(const std::string& name) const {
  const std::vector<double>& all = values(name);
  ATTUNE_ASSERT(!all.empty());
  return std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
}

MetricTable compute_metrics(const std::vector<Ranking>& rankings, const std::vector<int>& k) {
  std::vector<int> cuts = k;
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  const std::vector<Judged> judged(rankings.begin(), rankings.end());

  MetricTable table;
  const auto add = [&](const char* name, double (*metric)(const Judged&, int), int cut) {
    std::vector<double>& values = table.per_query.emplace_back();
    values.reserve(judged.size());
    for (const Judged& query : judged) values.push_back(metric(query, cut));
    table.names.push_back(str_cat(name, "@", cut));
  };
  for (int cut : cuts) add("hit_rate", hit_rate, cut);
  for (int cut : cuts) add("precision", precision, cut);
  for (int cut : cuts) add("recall", recall, cut);
  for (int cut : cuts) add("mrr", mrr, cut);
  for (int cut : cuts) add("ndcg", ndcg, cut);
  add("map", average_precision, cuts.empty() ? 100 : std::max(100, cuts.back()));
  return table;
}

}  // namespace attune
