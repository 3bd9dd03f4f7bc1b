#include "pipeline/report/examples.h"

#include <algorithm>
#include <cmath>

namespace attune {
namespace {

std::int64_t first_rank(const QueryResult& result) {
  return result.ranks.empty() ? 0 : result.ranks.front();
}

// On a scale on which 1 to 2 is as far as 10 to 20, and "not found" is farther than any rank.
double depth(std::int64_t rank) { return rank == 0 ? 20 : std::log2(static_cast<double>(rank)); }

}  // namespace

Examples choose_examples(const QueryResults& results, const Verdict& verdict, std::size_t count) {
  Examples examples;
  if (verdict.kind == Verdict::Kind::kUnmeasured) return examples;
  const int before = results.find_system(verdict.reference),
            after = results.find_system(verdict.candidate);
  const std::string& metric = verdict.headline.metric;
  const std::vector<double> old_values = results.metrics(before).values(metric),
                            new_values = results.metrics(after).values(metric);
  for (std::size_t query = 0; query < old_values.size(); ++query) {
    const Example example{query, first_rank(results.of[before][query]),
                          first_rank(results.of[after][query]),
                          new_values[query] - old_values[query]};
    if (example.change > 0) examples.best.push_back(example);
    if (example.change < 0) examples.worst.push_back(example);
  }
  for (auto* list : {&examples.best, &examples.worst}) {
    std::stable_sort(list->begin(), list->end(), [](const Example& a, const Example& b) {
      const double change_a = std::fabs(a.change), change_b = std::fabs(b.change);
      if (change_a != change_b) return change_a > change_b;
      return std::fabs(depth(a.rank_before) - depth(a.rank_after)) >
             std::fabs(depth(b.rank_before) - depth(b.rank_after));
    });
    list->resize(std::min(list->size(), count));
  }
  return examples;
}

}  // namespace attune
