#include "pipeline/report/comparison_page.h"

#include <algorithm>
#include <cmath>

#include "core/duration.h"
#include "core/error.h"
#include "pipeline/report/charts.h"
#include "pipeline/report/html.h"
#include "pipeline/report/numbers.h"
#include "pipeline/report/page_frame.h"
#include "pipeline/report/quality_sections.h"
#include "pipeline/report/record_sections.h"
#include "pipeline/report/training_section.h"

namespace attune {
namespace {

constexpr std::size_t kLabel = 80, kPointsOfAChart = 2000, kValue = 120;

std::string style_of(std::size_t run) { return str_cat("run", run % 8); }

std::string entry_of(const RecordedRun& run, std::size_t index) {
  return "<i class=\"swatch " + style_of(index) + "\"></i><bdi>" +
         escape_cut(run.directory, kLabel) + "</bdi>";
}

bool is_measured(const RecordedRun& run) {
  return run.results && run.results->find_system("finetuned") >= 0;
}

MetricTable finetuned_metrics(const RecordedRun& run) {
  return run.results->metrics(run.results->find_system("finetuned"));
}

// The same questions in the same order, ranked among the same passages.
bool are_comparable(const RecordedRun& a, const RecordedRun& b) {
  return is_measured(a) && is_measured(b) &&
         a.results->dataset_sha256 == b.results->dataset_sha256 &&
         a.results->query_ids == b.results->query_ids && a.results->k == b.results->k;
}

double best_validation(const RecordedRun& run) {
  double best = NAN;
  for (const LoggedValidation& validation : run.log.validations)
    best = std::fmax(best, validation.metric("ndcg@10"));
  return best;
}

struct Comparison {
  std::string metric;                 // empty: nothing can be compared
  std::vector<std::size_t> runs;      // those compared with the first
  std::vector<MetricChange> changes;  // of each
};

Comparison compare(const std::vector<RecordedRun>& runs) {
  Comparison comparison;
  if (!is_measured(runs[0])) return comparison;
  const MetricTable first = finetuned_metrics(runs[0]);
  for (std::size_t i = 1; i < runs.size(); ++i) {
    if (!are_comparable(runs[0], runs[i])) continue;
    comparison.metric = headline_metric(first);
    comparison.runs.push_back(i);
    comparison.changes.push_back(change_of(first, finetuned_metrics(runs[i]), comparison.metric));
  }
  return comparison;
}

// What the runs chose their steps by is the next best to a test, and flatters them all.
std::string validation_head(const std::vector<RecordedRun>& runs) {
  std::size_t best = runs.size();
  for (std::size_t i = 0; i < runs.size(); ++i)
    if (const double value = best_validation(runs[i]); !std::isnan(value))
      if (best == runs.size() || value > best_validation(runs[best])) best = i;
  const std::string advice =
      "The first run and the others have no test set in common, so no difference can be told with "
      "an interval. Give every run the same data.test and the section evaluate.</p>\n";
  if (best == runs.size())
    return "<h1>Not measured on the same questions</h1>\n<p class=\"lead\">" + advice;
  return str_cat("<h1>Best on validation: ", escape_cut(runs[best].directory, kLabel),
                 "</h1>\n<p class=\"lead\">NDCG@10 ", metric_text(best_validation(runs[best])),
                 " at its best step. ", advice);
}

std::string head_of(const std::vector<RecordedRun>& runs, const Comparison& comparison) {
  std::string head = str_cat("<p class=\"run\">", runs.size(), " runs compared</p>\n");
  if (comparison.metric.empty()) return head + validation_head(runs);
  std::size_t best = 0;
  for (std::size_t i = 1; i < comparison.changes.size(); ++i)
    if (comparison.changes[i].candidate > comparison.changes[best].candidate) best = i;
  const MetricChange& change = comparison.changes[best];
  const std::string first = escape_cut(runs[0].directory, kLabel),
                    other = escape_cut(runs[comparison.runs[best]].directory, kLabel);
  const std::string metric = metric_label(comparison.metric);
  const std::string numbers =
      str_cat(metric, " ", metric_text(change.candidate), " against ",
              metric_text(change.reference), ", ", points_text(change.difference.difference),
              " points, 95 % interval ", interval_text(change.difference), ", on ",
              counted(runs[0].results->num_queries(), "question"));
  if (change.difference.better())
    head += "<h1 class=\"better\">" + other + " is better than " + first + "</h1>\n";
  else if (change.difference.worse())
    head += "<h1 class=\"worse\">" + first + " stays the best</h1>\n";
  else
    head += "<h1>No run is shown to be better than " + first + "</h1>\n";
  head += "<p class=\"lead\">The best of the others, " + other + ": " + numbers + ".";
  if (comparison.changes.size() > 1)
    head += " The best of several is partly the luckiest: measure it once more on other questions.";
  return head + "</p>\n";
}

std::string results_section(const std::vector<RecordedRun>& runs, const Comparison& comparison) {
  std::string body;
  if (!comparison.metric.empty()) {
    std::vector<std::string> names;
    for (const std::size_t run : comparison.runs) names.push_back(entry_of(runs[run], run));
    body = changes_table({metric_label(comparison.metric), "First run", "This run"}, names,
                         comparison.changes);
  }
  std::vector<std::vector<std::string>> rows = {{"Run", "Base", "Finetuned", "Against its base",
                                                 "Best validation", "Steps", "Pairs", "Time"}};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RecordedRun& run = runs[i];
    const Verdict verdict = run.results ? judge(*run.results) : Verdict();
    const bool compared = verdict.kind != Verdict::Kind::kUnmeasured;
    const TrainingTotals totals = totals_of(run.log);
    const double validation = best_validation(run);
    const auto trained = run.stages.find("train");
    rows.push_back(
        {entry_of(run, i), compared ? metric_text(verdict.headline.reference) : "",
         compared ? metric_text(verdict.headline.candidate) : "not measured",
         compared ? points_text(verdict.headline.difference.difference) + " (" +
                        interval_text(verdict.headline.difference) + ")"
                  : "",
         std::isnan(validation) ? "" : metric_text(validation), count_text(totals.steps),
         count_text(totals.pairs),
         trained == run.stages.end() ? "not finished" : duration_text(trained->second.seconds)});
  }
  return body + html_table(rows) +
         "<p class=\"note\">The first run is what the others are compared with. Values are " +
         (comparison.metric.empty() ? "NDCG" : metric_label(comparison.metric)) +
         "; a difference is told only for runs that ranked the same questions. Validation chose "
         "each run's step, so it flatters.</p>\n";
}

// A row for each run, a column for each setting that is not the same in all.
std::string differences_section(const std::vector<RecordedRun>& runs) {
  std::vector<std::string> keys;
  for (const RecordedRun& run : runs)
    for (const Setting& setting : run.settings) {
      const bool differs = std::any_of(runs.begin(), runs.end(), [&](const RecordedRun& other) {
        return value_of(other.settings, setting.key) != setting.value;
      });
      const bool names_the_run = setting.key == "name" || setting.key == "output";
      if (differs && !names_the_run &&
          std::find(keys.begin(), keys.end(), setting.key) == keys.end())
        keys.push_back(setting.key);
    }
  if (keys.empty()) return "<p>All settings are the same.</p>\n";
  std::vector<std::vector<std::string>> rows = {{"Run"}};
  for (const std::string& key : keys)
    rows[0].push_back("<code>" + escape_cut(key, kLabel) + "</code>");
  for (std::size_t i = 0; i < runs.size(); ++i) {
    rows.push_back({entry_of(runs[i], i)});
    for (const std::string& key : keys)
      rows.back().push_back("<code>" + escape_cut(value_of(runs[i].settings, key), kValue) +
                            "</code>");
  }
  return html_table(rows, keys.size() + 1);
}

std::string curves_section(const std::vector<RecordedRun>& runs) {
  const std::size_t count = std::max<std::size_t>(8, kPointsOfAChart / runs.size());
  LineChart loss{"Loss, running mean", "step", {}, true},
      validation{"Validation NDCG@10", "step", {}},
      norm{"Gradient norm, running mean", "step", {}, true},
      rate{"Learning rate", "step", {}, true};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const TrainingLog& log = runs[i].log;
    const auto add = [&](LineChart& chart, const Points& points, bool dots) {
      chart.curves.push_back({runs[i].directory, style_of(i), points, false, dots});
    };
    add(loss, smoothed(thinned(step_points(log, &LoggedStep::loss), count)), false);
    add(norm, smoothed(thinned(step_points(log, &LoggedStep::grad_norm), count)), false);
    add(rate, thinned(step_points(log, &LoggedStep::learning_rate), count), false);
    const Points validations = thinned(validation_points(log, "ndcg@10"), count);
    add(validation, validations, validations.size() <= 20);
  }
  return "<div class=\"charts\">" + line_chart(loss) + line_chart(validation) + line_chart(norm) +
         line_chart(rate) + "</div>\n";
}

}  // namespace

std::string comparison_page(const std::vector<RecordedRun>& runs) {
  ATTUNE_ASSERT(runs.size() >= 2 && runs.size() <= kMostRuns);
  const Comparison comparison = compare(runs);
  return framed_page(str_cat(runs.size(), " runs compared"), head_of(runs, comparison),
                     {{"results", "Results", results_section(runs, comparison)},
                      {"differences", "What differs", differences_section(runs)},
                      {"curves", "Curves", curves_section(runs)}});
}

}  // namespace attune
