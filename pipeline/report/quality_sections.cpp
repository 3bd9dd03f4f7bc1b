#include "pipeline/report/quality_sections.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "pipeline/report/charts.h"
#include "pipeline/report/html.h"
#include "pipeline/report/numbers.h"
#include "pipeline/report/page_frame.h"
#include "pipeline/report/slices.h"
#include "retrieval/report_table.h"

namespace attune {
namespace {

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::string recall_chart(const RecordedRun& run) {
  LineChart chart{"Recall by cut-off", "k, the number of passages shown", {}, true};
  for (std::size_t system = 0; system < run.results->systems.size(); ++system) {
    const MetricTable table = run.results->metrics(static_cast<int>(system));
    const std::string& name = run.results->systems[system];
    Curve curve{system_label(name), system_style(name), {}, false, true};
    for (const std::string& metric : table.names)
      if (metric.starts_with("recall@"))
        curve.points.emplace_back(std::stod(metric.substr(7)), table.mean(metric));
    chart.curves.push_back(std::move(curve));
  }
  return line_chart(chart);
}

std::string systems_table(const QueryResults& results) {
  std::vector<MetricTable> tables;
  for (std::size_t system = 0; system < results.systems.size(); ++system)
    tables.push_back(results.metrics(static_cast<int>(system)));
  std::vector<std::vector<std::string>> rows = {{"Metric"}};
  for (const std::string& system : results.systems)
    rows[0].push_back(escape_cut(system_label(system), 60));
  for (const std::string& metric : tables[0].names) {
    rows.push_back({metric_label(metric)});
    for (const MetricTable& table : tables) rows.back().push_back(metric_text(table.mean(metric)));
  }
  return "<details><summary>Every metric of every system</summary>" + html_table(rows) +
         "</details>\n";
}

// The known ones.
std::vector<double> scores_of(const std::vector<QueryResult>& results, float QueryResult::* score) {
  std::vector<double> scores;
  for (const QueryResult& result : results)
    if (!std::isnan(result.*score)) scores.push_back(result.*score);
  return scores;
}

struct SystemScores {
  std::string name;
  std::vector<double> positive, negative, random;
};

std::vector<SystemScores> embedding_scores(const QueryResults& results) {
  std::vector<SystemScores> all;
  for (std::size_t system = 0; system < results.systems.size(); ++system) {
    if (results.systems[system] == "bm25") continue;  // on another scale
    const std::vector<QueryResult>& of = results.of[system];
    SystemScores scores{results.systems[system], scores_of(of, &QueryResult::positive),
                        scores_of(of, &QueryResult::negative), scores_of(of, &QueryResult::random)};
    if (!scores.positive.empty() && !scores.negative.empty()) all.push_back(std::move(scores));
  }
  return all;
}

}  // namespace

std::string changes_table(const ChangesHeading& heading, const std::vector<std::string>& names,
                          const std::vector<MetricChange>& changes) {
  double range = 0.01;
  for (const MetricChange& change : changes)
    range = std::max({range, std::fabs(change.difference.low), std::fabs(change.difference.high)});
  std::vector<std::vector<std::string>> rows = {
      {heading.names, heading.reference, heading.candidate, "Points", "95 % interval", ""}};
  for (std::size_t i = 0; i < changes.size(); ++i)
    rows.push_back({names[i], metric_text(changes[i].reference), metric_text(changes[i].candidate),
                    points_text(changes[i].difference.difference),
                    interval_text(changes[i].difference),
                    interval_bar(changes[i].difference, range)});
  return html_table(rows);
}

std::string metrics_section(const RecordedRun& run, const Verdict& verdict) {
  if (!run.results) return "";
  std::string body;
  if (verdict.kind != Verdict::Kind::kUnmeasured) {
    std::vector<std::string> names;
    for (const MetricChange& change : verdict.metrics) names.push_back(metric_label(change.metric));
    body +=
        "<div class=\"beside\">" +
        changes_table({"Metric", system_label(verdict.reference), system_label(verdict.candidate)},
                      names, verdict.metrics) +
        recall_chart(run) + "</div>\n";
    body +=
        "<p class=\"note\">Points are hundredths. A bar that does not touch the dashed line is "
        "a change that the choice of questions does not explain; it says nothing of another "
        "seed of the training, and one metric of twenty passes by chance.</p>\n";
  } else {
    body = recall_chart(run);
  }
  return body + systems_table(*run.results);
}

std::string scores_section(const RecordedRun& run) {
  if (!run.results) return "";
  const std::vector<SystemScores> systems = embedding_scores(*run.results);
  if (systems.empty()) return "";
  double low = 1, high = -1;
  for (const SystemScores& system : systems)
    for (const auto* values : {&system.positive, &system.negative, &system.random})
      for (const double value : *values) {
        low = std::min(low, value);
        high = std::max(high, value);
      }
  std::string charts;
  std::vector<std::vector<std::string>> rows = {
      {"", "Right passage", "Best wrong one", "Random one", "Right above wrong by"}};
  for (const SystemScores& system : systems) {
    std::vector<Distribution> shown = {{"right passage", "tuned", system.positive},
                                       {"best wrong one", "bm25", system.negative}};
    if (!system.random.empty()) shown.push_back({"random one", "base", system.random});
    charts += histogram(system_label(system.name), shown, low, high);
    rows.push_back({escape_cut(system_label(system.name), 60),
                    metric_text(mean_of(system.positive)), metric_text(mean_of(system.negative)),
                    system.random.empty() ? "" : metric_text(mean_of(system.random)),
                    metric_text(mean_of(system.positive) - mean_of(system.negative))});
  }
  return "<p>How similar the models find each question and its right passage, the best of the "
         "wrong "
         "ones, and one drawn at random. Retrieval works where the first two stand apart; both "
         "moving together changes no ranking.</p>\n<div class=\"charts\">" +
         charts + "</div>\n" + html_table(rows);
}

std::string slices_section(const RecordedRun& run, const Verdict& verdict) {
  const std::vector<SliceGroup> groups = make_slices(run, verdict);
  if (groups.empty()) return "";
  std::string body;
  for (const SliceGroup& group : groups) {
    std::vector<std::string> names;
    std::vector<MetricChange> changes;
    for (const Slice& slice : group.slices) {
      names.push_back(str_cat("<bdi>", escape_cut(slice.name, 80), "</bdi> <span class=\"quiet\">",
                              count_text(slice.queries), "</span>"));
      changes.push_back(slice.change);
    }
    body += changes_table(
        {group.title, system_label(verdict.reference), system_label(verdict.candidate)}, names,
        changes);
  }
  return str_cat("<p>", metric_label(verdict.headline.metric),
                 " of parts of the questions; behind each name how many. Parts are small: a bar "
                 "across the dashed line says nothing.</p>\n",
                 body);
}

}  // namespace attune
