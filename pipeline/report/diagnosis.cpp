#include "pipeline/report/diagnosis.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>

#include "core/error.h"
#include "pipeline/report/numbers.h"
#include "pipeline/report/page_frame.h"

namespace attune {
namespace {

using Rule = Finding::Rule;
using MaybeFinding = std::optional<Finding>;

constexpr std::int64_t kFewPairs = 1000;
constexpr std::int64_t kStepsToJudge = 24;  // fewer say nothing of a curve

bool is_shown_better(const Verdict& verdict) { return verdict.kind == Verdict::Kind::kBetter; }
bool is_shown_worse(const Verdict& verdict) { return verdict.kind == Verdict::Kind::kWorse; }
bool is_trained(const RecordedRun& run) { return run.stages.contains("train"); }

double number_of(const RecordedRun& run, const std::string& key, double otherwise) {
  const std::string text = value_of(run.settings, key);
  double value = otherwise;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : otherwise;
}

// Mean of the loss over a quarter of the steps, and how far chance moves such a mean.
struct Quarter {
  double mean = 0, error = 0;
};

std::vector<Quarter> loss_quarters(const TrainingLog& log) {
  std::vector<Quarter> quarters;
  const std::size_t steps = log.steps.size();
  for (std::size_t q = 0; q < 4; ++q) {
    const std::size_t begin = steps * q / 4, end = steps * (q + 1) / 4;
    const auto n = static_cast<double>(end - begin);
    double sum = 0, squares = 0;
    for (std::size_t i = begin; i < end; ++i) sum += log.steps[i].loss;
    for (std::size_t i = begin; i < end; ++i)
      squares += (log.steps[i].loss - sum / n) * (log.steps[i].loss - sum / n);
    quarters.push_back({sum / n, std::sqrt(squares / std::max(1.0, n - 1) / n)});
  }
  return quarters;
}

std::string told(const std::vector<Quarter>& quarters) {
  std::string text;
  for (const Quarter& quarter : quarters)
    text += (text.empty() ? "" : ", ") + plain_text(quarter.mean);
  return "mean loss of the four quarters of the training: " + text;
}

bool hardly_fell(const std::vector<Quarter>& quarters) {
  return quarters[0].mean - quarters[3].mean <= 0.05 * std::fabs(quarters[0].mean);
}

std::string rate_of(const RecordedRun& run) {
  return value_of(run.settings, "train.learning_rate");
}

MaybeFinding nonfinite(const RecordedRun& run, const Verdict&) {
  const auto bad = std::ssize(run.log.nonfinite);
  if (bad == 0) return std::nullopt;
  return Finding{Rule::kNonfinite, "Some steps had a loss or gradient that is no number.",
                 str_cat(counted(bad, "step"), ", the first is step ", run.log.nonfinite[0],
                         "; learning rate ", rate_of(run)),
                 "Lower train.learning_rate to a third, and look at the queries that metrics.jsonl "
                 "names for these steps."};
}

// Of a model that got worse it is enough that the loss did not fall: its weights did move.
MaybeFinding rate_too_high(const RecordedRun& run, const Verdict& verdict) {
  if (std::ssize(run.log.steps) < kStepsToJudge) return std::nullopt;
  const std::vector<Quarter> quarters = loss_quarters(run.log);
  const Quarter last = quarters[3];
  const Quarter lowest =
      *std::min_element(quarters.begin(), quarters.end() - 1,
                        [](const Quarter& a, const Quarter& b) { return a.mean < b.mean; });
  const double rise = last.mean - lowest.mean;
  if (is_shown_worse(verdict) && hardly_fell(quarters))
    return Finding{Rule::kRateTooHigh,
                   "The learning rate looks too high: the model got worse and the loss did not "
                   "fall.",
                   str_cat(told(quarters), "; learning rate ", rate_of(run)),
                   "Lower train.learning_rate to a third, and see with `attune data head` whether "
                   "the training pairs belong together."};
  if (!(rise > 0.25 * std::fabs(lowest.mean) && rise > 3 * std::hypot(last.error, lowest.error)))
    return std::nullopt;
  return Finding{Rule::kRateTooHigh, "The learning rate looks too high: the loss turned up again.",
                 str_cat(told(quarters), "; learning rate ", rate_of(run)),
                 "Lower train.learning_rate to a third, or lengthen train.warmup_ratio."};
}

MaybeFinding rate_too_low(const RecordedRun& run, const Verdict& verdict) {
  if (is_shown_better(verdict) || is_shown_worse(verdict) ||
      std::ssize(run.log.steps) < kStepsToJudge)
    return std::nullopt;
  const std::vector<Quarter> quarters = loss_quarters(run.log);
  const bool rises =
      quarters[3].mean - quarters[0].mean > 2 * std::hypot(quarters[0].error, quarters[3].error);
  if (rises || !hardly_fell(quarters)) return std::nullopt;
  return Finding{Rule::kRateTooLow, "The model hardly learned: the loss did not fall.",
                 str_cat(told(quarters), "; ", counted(std::ssize(run.log.steps), "step"),
                         ", learning rate ", rate_of(run)),
                 "Train longer (train.epochs, train.max_steps), or raise train.learning_rate "
                 "threefold."};
}

std::string quoted(const std::string& prompt) {
  return prompt.empty() ? "none" : "“" + prompt + "”";
}

MaybeFinding prompt_mismatch(const RecordedRun& run, const Verdict&) {
  const Json base = run.told("train", "base_prompts");
  if (!base.is_object() || !base.contains("query") || !base["query"].is_string() ||
      !base.contains("document") || !base["document"].is_string())
    return std::nullopt;
  const auto query = base["query"].get<std::string>(),
             document = base["document"].get<std::string>();
  if (query == run.query_prompt && document == run.document_prompt) return std::nullopt;
  return Finding{
      Rule::kPromptMismatch, "The run's prompts are not those that the base model was made with.",
      str_cat("base: query ", quoted(query), ", passage ", quoted(document), "; this run: query ",
              quoted(run.query_prompt), ", passage ", quoted(run.document_prompt)),
      "Leave model.prompts out to keep the base model's. The base, too, was measured "
      "with this run's prompts, so it may be better than it looks here."};
}

MaybeFinding duplicate_negatives(const RecordedRun& run, const Verdict&) {
  if (!run.train_data || value_of(run.settings, "train.sampler") != "default") return std::nullopt;
  const double batch = number_of(run, "train.batch_size", 0);
  const double share = 1 - std::pow(1 - run.train_data->shared_answer, std::max(0.0, batch - 1));
  if (share < 0.05) return std::nullopt;
  return Finding{Rule::kDuplicateNegatives,
                 "Right answers were used as wrong ones: batches hold a passage more than once.",
                 str_cat("about ", percent_text(share),
                         " of the pairs share their passage with "
                         "another pair of the same batch of ",
                         value_of(run.settings, "train.batch_size"), " (train.sampler default)"),
                 "Set train.sampler to no_duplicates."};
}

MaybeFinding overfitting(const RecordedRun& run, const Verdict&) {
  const std::vector<LoggedValidation>& validations = run.log.validations;
  const auto metric = [](const LoggedValidation& v) { return v.metric("ndcg@10"); };
  if (validations.size() < 3) return std::nullopt;
  const auto best = std::max_element(
      validations.begin(), validations.end(),
      [&](const LoggedValidation& a, const LoggedValidation& b) { return metric(a) < metric(b); });
  const double fall = metric(*best) - metric(validations.back());
  if (!(fall >= 0.005) || std::distance(best, validations.end()) < 3) return std::nullopt;
  return Finding{Rule::kOverfitting,
                 "The model began to learn its pairs by heart: validation turned down.",
                 str_cat("validation NDCG@10 ", metric_text(metric(*best)), " at step ", best->step,
                         ", ", metric_text(metric(validations.back())), " at step ",
                         validations.back().step, "; the artifact holds step ", best->step),
                 "Fewer train.epochs, a lower train.learning_rate, train.patience, or more "
                 "pairs."};
}

MaybeFinding truncation(const RecordedRun& run, const Verdict&) {
  if (!run.train_data || run.train_data->cut_passages.value_or(0) < 0.1) return std::nullopt;
  return Finding{Rule::kTruncation, "The model does not read the ends of many passages.",
                 str_cat(percent_text(*run.train_data->cut_passages),
                         " of the training passages are longer than its limit (a sample was "
                         "counted)"),
                 "Cut documents smaller (chunks.size), or raise model.max_length where the model "
                 "allows it."};
}

MaybeFinding too_few_pairs(const RecordedRun& run, const Verdict& verdict) {
  if (!run.train_data || is_shown_better(verdict) || run.train_data->pairs >= kFewPairs)
    return std::nullopt;
  return Finding{Rule::kTooFewPairs, "There are few pairs to learn from.",
                 counted(run.train_data->pairs, "training pair"),
                 "Add documents, ask more questions a passage (generate.questions_per_passage), "
                 "or train an adapter (train.mode adapter), which needs fewer."};
}

MaybeFinding few_queries(const RecordedRun&, const Verdict& verdict) {
  if (verdict.kind != Verdict::Kind::kUnclear || verdict.queries_needed == 0) return std::nullopt;
  const PairedDifference& difference = verdict.headline.difference;
  return Finding{Rule::kFewQueries, "The test is too small to tell.",
                 str_cat(counted(verdict.queries, "question"), " leave the change between ",
                         points_text(difference.low), " and ", points_text(difference.high),
                         " points; a difference as large as the one found, ",
                         points_text(difference.difference), " points, would show with about ",
                         count_text(verdict.queries_needed)),
                 "Add questions to the test set (data.test, generate.question_pages)."};
}

MaybeFinding nothing_to_gain(const RecordedRun&, const Verdict& verdict) {
  if (verdict.kind == Verdict::Kind::kUnmeasured || is_shown_better(verdict) ||
      verdict.headline.reference < 0.95)
    return std::nullopt;
  return Finding{Rule::kNothingToGain, "There is hardly anything left to gain on this test.",
                 str_cat(verdict.reference, " has ", metric_label(verdict.headline.metric), " ",
                         metric_text(verdict.headline.reference), " already"),
                 "Measure on harder questions, such as those that people asked."};
}

MaybeFinding pairs_left(const RecordedRun& run, const Verdict&) {
  if (!run.train_data || !is_trained(run)) return std::nullopt;
  const std::int64_t used =
      std::accumulate(run.log.steps.begin(), run.log.steps.end(), std::int64_t{0},
                      [](std::int64_t sum, const LoggedStep& step) { return sum + step.pairs; });
  const std::int64_t pairs = run.train_data->pairs;
  if (used == 0 || static_cast<double>(used) > 0.9 * static_cast<double>(pairs))
    return std::nullopt;
  return Finding{Rule::kPairsLeft, "Most of the pairs were not used.",
                 str_cat(count_text(used), " of ", counted(pairs, "pair"), " in ",
                         counted(std::ssize(run.log.steps), "step"), "; train.max_steps is ",
                         value_of(run.settings, "train.max_steps")),
                 "Leave train.max_steps out for a whole pass."};
}

MaybeFinding still_learning(const RecordedRun& run, const Verdict&) {
  const std::vector<LoggedValidation>& validations = run.log.validations;
  if (validations.size() < 2 || !is_trained(run)) return std::nullopt;
  const double last = validations.back().metric("ndcg@10"),
               before = validations[validations.size() - 2].metric("ndcg@10");
  if (!validations.back().is_best || !(last - before >= 0.002)) return std::nullopt;
  return Finding{Rule::kStillLearning, "The model was still getting better when training ended.",
                 str_cat("validation NDCG@10 ", metric_text(before), " at step ",
                         validations[validations.size() - 2].step, ", ", metric_text(last),
                         " at step ", validations.back().step, ", the last"),
                 "More train.epochs, with train.patience to stop in time."};
}

}  // namespace

std::vector<Finding> diagnose(const RecordedRun& run, const Verdict& verdict) {
  std::vector<Finding> findings;
  for (const auto& rule :
       {nonfinite, rate_too_high, prompt_mismatch, duplicate_negatives, overfitting, truncation,
        too_few_pairs, rate_too_low, few_queries, nothing_to_gain, pairs_left, still_learning})
    if (MaybeFinding finding = rule(run, verdict)) findings.push_back(std::move(*finding));
  return findings;
}

}  // namespace attune
