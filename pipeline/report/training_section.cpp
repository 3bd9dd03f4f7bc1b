#include "pipeline/report/training_section.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "pipeline/report/html.h"
#include "pipeline/report/numbers.h"
#include "pipeline/report/page_frame.h"

namespace attune {
namespace {

constexpr std::size_t kPoints = 300, kTableRows = 12;

// The values of the steps, and over them their running mean.
std::string jumping_chart(const std::string& title, const Points& points, bool from_zero) {
  const Points thin = thinned(points, kPoints);
  LineChart chart{title, "step", {}, from_zero};
  chart.curves.push_back({"single steps", "tuned", thin, true, false});
  chart.curves.push_back({"running mean", "tuned", smoothed(thin), false, false});
  return line_chart(chart);
}

std::string validation_chart(const TrainingLog& log) {
  if (log.validations.empty()) return "";
  LineChart chart{"Validation", "step", {}, false};
  int color = 0;
  for (const char* metric : {"ndcg@10", "mrr@10", "hit_rate@1"}) {
    const Points points = thinned(validation_points(log, metric), kPoints);
    if (!points.empty())
      chart.curves.push_back(
          {metric_label(metric), str_cat("run", color), points, false, points.size() <= 40});
    ++color;
  }
  return line_chart(chart);
}

std::string steps_table(const TrainingLog& log) {
  std::vector<std::vector<std::string>> rows = {
      {"Step", "Loss", "Learning rate", "Gradient norm", "Pairs", "Tokens", "Seconds"}};
  const std::size_t steps = log.steps.size(), shown = std::min(steps, kTableRows);
  for (std::size_t i = 0; i < shown; ++i) {
    const LoggedStep& step = log.steps[shown == 1 ? 0 : (steps - 1) * i / (shown - 1)];
    rows.push_back({count_text(step.step), plain_text(step.loss), plain_text(step.learning_rate),
                    plain_text(step.grad_norm), count_text(step.pairs), count_text(step.tokens),
                    plain_text(step.seconds)});
  }
  return "<details><summary>Numbers of some steps</summary>" + html_table(rows, 0) + "</details>\n";
}

std::string validations_table(const TrainingLog& log) {
  if (log.validations.empty()) return "";
  std::vector<std::vector<std::string>> rows = {{"Step", "NDCG@10", "MRR@10", "Hit rate@1", ""}};
  const std::size_t count = log.validations.size(), shown = std::min(count, 2 * kTableRows);
  for (std::size_t i = 0; i < shown; ++i) {
    const LoggedValidation& one = log.validations[shown == 1 ? 0 : (count - 1) * i / (shown - 1)];
    rows.push_back({count_text(one.step), metric_text(one.metric("ndcg@10")),
                    metric_text(one.metric("mrr@10")), metric_text(one.metric("hit_rate@1")),
                    one.is_best ? "best so far" : ""});
  }
  return "<details><summary>Numbers of the validations</summary>" + html_table(rows, 0) +
         "</details>\n";
}

}  // namespace

Points step_points(const TrainingLog& log, double LoggedStep::* number) {
  Points points;
  for (const LoggedStep& step : log.steps)
    points.emplace_back(static_cast<double>(step.step), step.*number);
  return points;
}

Points validation_points(const TrainingLog& log, const std::string& metric) {
  Points points;
  for (const LoggedValidation& validation : log.validations)
    if (const double value = validation.metric(metric); std::isfinite(value))
      points.emplace_back(static_cast<double>(validation.step), value);
  return points;
}

std::string training_section(const RecordedRun& run) {
  if (run.log.steps.empty()) return "";
  LineChart rate{"Learning rate", "step", {}, true};
  rate.curves.push_back({"learning rate", "tuned",
                         thinned(step_points(run.log, &LoggedStep::learning_rate), kPoints), false,
                         false});
  std::string body = "<div class=\"charts\">" +
                     jumping_chart("Loss", step_points(run.log, &LoggedStep::loss), true) +
                     validation_chart(run.log) +
                     jumping_chart("Gradient norm, before clipping",
                                   step_points(run.log, &LoggedStep::grad_norm), true) +
                     line_chart(rate) + "</div>\n";
  if (!run.log.nonfinite.empty() || !run.log.skipped.empty())
    body += str_cat("<p>", counted(std::ssize(run.log.nonfinite), "step"),
                    " with a loss or gradient that is no number; ",
                    counted(std::ssize(run.log.skipped), "step"), " skipped.</p>\n");
  return body + steps_table(run.log) + validations_table(run.log);
}

}  // namespace attune
