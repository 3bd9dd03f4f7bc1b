#include "pipeline/report/slices.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "data/chunks/words.h"

namespace attune {
namespace {

constexpr std::size_t kMaxDocuments = 8;

struct Columns {
  std::vector<double> reference, candidate;  // [queries] the headline metric
};

Slice slice_of(const std::string& name, const std::vector<std::size_t>& queries,
               const Columns& columns, const std::string& metric) {
  MetricTable before{{metric}, {{}}}, after{{metric}, {{}}};
  for (const std::size_t query : queries) {
    before.per_query[0].push_back(columns.reference[query]);
    after.per_query[0].push_back(columns.candidate[query]);
  }
  return {name, std::ssize(queries), change_of(before, after, metric)};
}

// By name of the part, in the order in which the names are given.
using Parts = std::vector<std::pair<std::string, std::vector<std::size_t>>>;

SliceGroup group_of(const std::string& title, const Parts& parts, const Columns& columns,
                    const std::string& metric) {
  SliceGroup group{title, {}};
  for (const auto& [name, queries] : parts)
    if (!queries.empty()) group.slices.push_back(slice_of(name, queries, columns, metric));
  return group;
}

// Three parts of about equal size, cut between lengths.
Parts by_length(const RecordedRun& run) {
  std::vector<std::int64_t> words;
  for (const std::string& id : run.results->query_ids)
    words.push_back(count_words(run.test->queries.text(run.test->queries.find(id))));
  std::vector<std::int64_t> sorted = words;
  std::sort(sorted.begin(), sorted.end());
  const std::int64_t low = sorted[(sorted.size() - 1) / 3],
                     high = sorted[2 * (sorted.size() - 1) / 3];
  Parts parts = {{str_cat("up to ", low, " words"), {}},
                 {str_cat(low + 1, " to ", high, " words"), {}},
                 {str_cat("more than ", high, " words"), {}}};
  for (std::size_t query = 0; query < words.size(); ++query)
    parts[words[query] <= low ? 0 : words[query] <= high ? 1 : 2].second.push_back(query);
  return parts;
}

// The largest parts first; those beyond the first few are one.
Parts by_name(const std::vector<std::string>& names) {
  std::map<std::string, std::vector<std::size_t>> queries_of;
  for (std::size_t query = 0; query < names.size(); ++query)
    queries_of[names[query]].push_back(query);
  Parts parts(queries_of.begin(), queries_of.end());
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
  if (parts.size() <= kMaxDocuments) return parts;
  std::vector<std::size_t> others;
  for (std::size_t i = kMaxDocuments; i < parts.size(); ++i)
    others.insert(others.end(), parts[i].second.begin(), parts[i].second.end());
  const std::string name = str_cat("the ", parts.size() - kMaxDocuments, " others");
  parts.resize(kMaxDocuments);
  parts.emplace_back(name, std::move(others));
  return parts;
}

// "faq/library.html": what tells documents of one collection apart.
std::string short_path(const std::string& path) {
  const std::size_t last = path.rfind('/');
  if (last == std::string::npos || last == 0) return path;
  const std::size_t before = path.rfind('/', last - 1);
  return before == std::string::npos ? path : path.substr(before + 1);
}

}  // namespace

std::vector<SliceGroup> make_slices(const RecordedRun& run, const Verdict& verdict) {
  if (!run.results || !run.test || verdict.kind == Verdict::Kind::kUnmeasured) return {};
  const QueryResults& results = *run.results;
  const std::string& metric = verdict.headline.metric;
  const Columns columns = {results.metrics(results.find_system(verdict.reference)).values(metric),
                           results.metrics(results.find_system(verdict.candidate)).values(metric)};
  std::vector<SliceGroup> groups = {
      group_of("Length of the question", by_length(run), columns, metric)};
  if (!run.sources.empty()) {
    std::vector<std::string> documents, generators;
    for (const std::string& id : results.query_ids) {
      const auto source = run.sources.find(id);
      const bool known = source != run.sources.end();
      documents.push_back(known ? short_path(source->second.path) : "not known");
      generators.push_back(!known                             ? "not known"
                           : source->second.generator.empty() ? "asked by people"
                                                              : source->second.generator);
    }
    groups.push_back(group_of("Document", by_name(documents), columns, metric));
    groups.push_back(group_of("Generator of the question", by_name(generators), columns, metric));
  }
  std::erase_if(groups, [](const SliceGroup& group) { return group.slices.size() < 2; });
  return groups;
}

}  // namespace attune
