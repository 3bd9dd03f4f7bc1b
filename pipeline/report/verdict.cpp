#include "pipeline/report/verdict.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "retrieval/report_table.h"

namespace attune {
namespace {

// Two significant digits: it is an estimate.
std::int64_t roughly(double count) {
  const double unit = std::pow(10.0, std::max(0.0, std::floor(std::log10(count)) - 1));
  return static_cast<std::int64_t>(std::ceil(count / unit) * unit);
}

// The interval narrows with the square root of the number of queries.
std::int64_t queries_to_show(const PairedDifference& difference, std::int64_t queries) {
  const double half = (difference.high - difference.low) / 2;
  const double size = std::fabs(difference.difference);
  if (size < 1e-4 || half <= 0) return 0;
  const double needed = static_cast<double>(queries) * (half / size) * (half / size);
  return needed < 1e9 ? roughly(std::fmax(needed, static_cast<double>(queries) + 1)) : 0;
}

}  // namespace

std::string headline_metric(const MetricTable& table) {
  for (const std::string& name : primary_metrics(table))
    if (name.starts_with("ndcg@")) return name;
  throw InternalError("a metric table without NDCG");
}

MetricChange change_of(const MetricTable& reference, const MetricTable& candidate,
                       const std::string& metric, int comparisons) {
  return {metric, reference.mean(metric), candidate.mean(metric),
          paired_bootstrap(reference.values(metric), candidate.values(metric), 10000, 42, 0.95,
                           comparisons)};
}

Verdict judge(const QueryResults& results) {
  Verdict verdict;
  verdict.queries = results.num_queries();
  const int candidate = results.find_system("finetuned");
  int reference = results.find_system("base");
  if (reference < 0) reference = results.find_system("bm25");
  if (candidate < 0 || reference < 0) return verdict;
  verdict.reference = results.systems[reference];
  verdict.candidate = results.systems[candidate];
  verdict.candidates = results.candidates;
  const auto change = [&](const MetricTable& old_table, const MetricTable& new_table,
                          const std::string& metric) {
    return change_of(old_table, new_table, metric, verdict.candidates);
  };
  const MetricTable before = results.metrics(reference), after = results.metrics(candidate);
  for (const std::string& metric : primary_metrics(before))
    if (!metric.starts_with("recall@")) verdict.metrics.push_back(change(before, after, metric));
  for (const std::string& metric : before.names)
    if (metric.starts_with("recall@")) verdict.metrics.push_back(change(before, after, metric));
  const std::string headline = headline_metric(before);
  verdict.headline = change(before, after, headline);
  const std::vector<double>&old_values = before.values(headline),
        &new_values = after.values(headline);
  for (std::size_t i = 0; i < old_values.size(); ++i) {
    verdict.improved += new_values[i] > old_values[i] ? 1 : 0;
    verdict.worsened += new_values[i] < old_values[i] ? 1 : 0;
  }
  const PairedDifference& difference = verdict.headline.difference;
  verdict.kind = difference.better()  ? Verdict::Kind::kBetter
                 : difference.worse() ? Verdict::Kind::kWorse
                                      : Verdict::Kind::kUnclear;
  if (verdict.kind == Verdict::Kind::kUnclear)
    verdict.queries_needed = queries_to_show(difference, verdict.queries);
  return verdict;
}

}  // namespace attune
