#include "pipeline/report/record_sections.h"

#include "core/duration.h"
#include "core/error.h"
#include "pipeline/report/html.h"
#include "pipeline/report/numbers.h"

namespace attune {
namespace {

using Rows = std::vector<std::vector<std::string>>;

double seconds_of(const RecordedRun& run, const std::string& stage) {
  const auto found = run.stages.find(stage);
  return found == run.stages.end() ? 0 : found->second.seconds;
}

std::string share_text(const std::optional<double>& share) {
  return share ? percent_text(*share) : "not measured";
}

void add_data(Rows& rows, const std::string& name, const std::optional<DataFacts>& facts) {
  if (!facts) return;
  rows.push_back({name, count_text(facts->queries), count_text(facts->passages),
                  count_text(facts->pairs), plain_text(facts->query_words),
                  plain_text(facts->passage_words), share_text(facts->cut_passages)});
}

// A value as a person reads it: texts escaped, numbers as they are.
std::string told_text(const Json& value) {
  return escape_cut(value.is_string() ? value.get<std::string>() : value.dump(), 400);
}

Rows settings_rows(const std::vector<Setting>& settings, std::size_t max_characters) {
  Rows rows = {{"Setting", "Value"}};
  for (const Setting& setting : settings)
    rows.push_back({"<code>" + escape_cut(setting.key, 200) + "</code>",
                    "<code>" + escape_cut(setting.value, max_characters) + "</code>"});
  return rows;
}

std::string money_text(double cost) {
  return cost == 0 ? "0 (no prices are set in generate.llm, or the server is free)"
                   : plain_text(cost);
}

}  // namespace

TrainingTotals totals_of(const TrainingLog& log) {
  TrainingTotals totals;
  totals.steps = std::ssize(log.steps);
  for (const LoggedStep& step : log.steps) {
    totals.pairs += step.pairs;
    totals.tokens += step.tokens;
    totals.step_seconds += step.seconds;
  }
  return totals;
}

std::string cost_tile(const RecordedRun& run) {
  const TrainingTotals totals = totals_of(run.log);
  if (totals.steps == 0) return "";
  const double seconds =
      run.stages.contains("train") ? seconds_of(run, "train") : totals.step_seconds;
  return str_cat("<div class=\"tile\"><h3>What did it take?</h3><strong>", duration_text(seconds),
                 "</strong><p>of training: ", counted(totals.steps, "step"), " over ",
                 counted(totals.pairs, "pair"), ".</p></div>\n");
}

std::string data_section(const RecordedRun& run) {
  Rows rows = {{"", "Queries", "Passages", "Pairs", "Words a query", "Words a passage",
                "Passages cut at the limit"}};
  add_data(rows, "Training", run.train_data);
  add_data(rows, "Validation", run.validation_data);
  add_data(rows, "Test", run.test_data);
  std::string body;
  if (rows.size() > 1)
    body = html_table(rows) +
           "<p class=\"note\">Words are medians; words and cut passages are of a sample of 2,000 "
           "texts. A passage that is cut is read up to the model's limit alone.</p>\n";
  const Json summary = run.told("generate", "summary");
  if (summary.is_string())
    body += "<p>Made from documents: " + escape_cut(summary.get<std::string>(), 2000) + ".</p>\n";
  return body;
}

std::string cost_section(const RecordedRun& run) {
  const TrainingTotals totals = totals_of(run.log);
  Rows rows = {{"", ""}};
  const auto add = [&](const char* name, const std::string& value) {
    rows.push_back({name, value});
  };
  for (const auto& [stage, name] : {std::pair{"generate", "Making the data"},
                                    {"mine", "Mining hard negatives"},
                                    {"train", "Training"},
                                    {"evaluate", "Evaluation"},
                                    {"index", "Index"}})
    if (run.stages.contains(stage)) add(name, duration_text(seconds_of(run, stage)));
  if (totals.steps > 0) {
    add("Steps", count_text(totals.steps));
    add("Pairs trained on", count_text(totals.pairs));
    if (totals.tokens > 0) add("Tokens trained on", count_text(totals.tokens));
    if (totals.step_seconds > 0)
      add("Speed",
          plain_text(static_cast<double>(totals.pairs) / totals.step_seconds) + " pairs a second");
  }
  if (const Json llm = run.told("generate", "llm"); llm.is_object()) {
    const auto tokens = [&](const char* key) {
      const Json value = llm.value(key, Json());
      return value.is_number_integer() ? count_text(value.get<std::int64_t>()) : "not known";
    };
    add("Language model, tokens of prompts", tokens("prompt_tokens"));
    add("Language model, tokens of answers", tokens("completion_tokens"));
    if (const Json cost = llm.value("cost", Json()); cost.is_number())
      add("Language model, money at the configured prices", money_text(cost.get<double>()));
  }
  if (const Json metrics = run.told("train", "metrics"); metrics.is_object())
    if (const Json memory = metrics.value("peak_memory_mib", Json()); memory.is_number())
      add("Most memory", count_text(memory.get<std::int64_t>()) + " MiB");
  if (const Json environment = run.told("train", "environment"); environment.is_object())
    for (const auto& [name, value] : environment.items())
      rows.push_back({escape_cut(name, 60), told_text(value)});
  if (rows.size() == 1) return "";
  return html_table(rows, 2);
}

std::string settings_section(const RecordedRun& run) {
  const std::vector<Setting> changed = settings_beyond(run.settings, run.defaults);
  return "<p>Those that are not at their defaults:</p>\n" +
         html_table(settings_rows(changed, 400), 2) + "<details><summary>All " +
         counted(std::ssize(run.settings), "setting") + "</summary>" +
         html_table(settings_rows(run.settings, 120), 2) + "</details>\n";
}

}  // namespace attune
