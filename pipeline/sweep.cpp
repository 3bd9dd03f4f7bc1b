#include "pipeline/sweep.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <iomanip>
#include <optional>
#include <sstream>

#include "core/durable.h"
#include "core/error.h"
#include "core/log.h"
#include "core/shell_word.h"
#include "pipeline/generate_stage.h"
#include "pipeline/report/comparison_page.h"
#include "pipeline/report/report.h"
#include "pipeline/run.h"
#include "pipeline/run_lock.h"

namespace attune {
namespace {

constexpr const char* kMetric = "ndcg@10";

struct Result {
  const SweepRun* run;
  Json metrics;       // of a run that finished
  std::string error;  // of one that did not
  double metric() const { return error.empty() ? metrics.value(kMetric, -1.0) : -1; }
};

void check_validation(const std::string& path) {
  const auto dataset = EmbeddingQAFinetuneDataset::from_json(path);
  for (const auto& relevant : dataset.relevant_docs)
    if (!relevant.empty()) return;
  throw_error(ErrorKind::kData, path,
              ": holds no query with a relevant passage, so no run of the sweep can be measured; "
              "give data.validation");
}

// The data are made once, for all runs.
RunConfig with_data(RunConfig config, const std::optional<DataPaths>& generated) {
  if (!generated) return config;
  if (config.data.train.empty()) config.data.train = generated->train;
  if (config.data.validation.empty()) config.data.validation = generated->validation;
  config.has_documents = config.has_generate = false;
  config.has_evaluate = config.has_index = config.has_integrate = false;
  return config;
}

bool concerns_one_run(const Error& error) {
  return error.kind() != ErrorKind::kInterrupted && error.kind() != ErrorKind::kResources;
}

std::vector<Result> run_all(const SweepPlan& plan, const std::optional<DataPaths>& generated,
                            const StopRequested& stop) {
  std::vector<Result> results;
  std::exception_ptr first_error;
  for (const SweepRun& run : plan.runs) {
    log_info(str_cat("sweep: ", results.size() + 1, " of ", plan.runs.size(), ": ", run.name));
    Result result{&run, Json::object(), ""};
    try {
      const TrainOutcome outcome = train(with_data(run.config, generated), Existing::kUpdate, stop);
      result.metrics = outcome.metrics;
      result.metrics[kMetric] = outcome.metrics.value("validation_ndcg@10", -1.0);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kInterrupted)
        throw_error(ErrorKind::kInterrupted, plan.output, ": the sweep was stopped in run ",
                    results.size() + 1, " of ", plan.runs.size(),
                    "; the same command goes on with it");
      if (!concerns_one_run(error)) throw;
      if (!first_error) first_error = std::current_exception();
      result.error = error.what();
      log_warning(str_cat("sweep: ", run.name, " failed: ", result.error));
    }
    results.push_back(std::move(result));
  }
  if (std::all_of(results.begin(), results.end(), [](const Result& r) { return !r.error.empty(); }))
    std::rethrow_exception(first_error);
  std::stable_sort(results.begin(), results.end(),
                   [](const Result& a, const Result& b) { return a.metric() > b.metric(); });
  return results;
}

// Into a folder beside the sweep's: its report would replace the sweep's.
std::string command_of(const SweepPlan& plan, const SweepRun& run) {
  std::string command = "attune run " + shell_word(plan.config_path);
  for (const std::string& fixed : plan.fixed) command += " " + shell_word(fixed);
  for (const auto& [key, value] : run.settings) command += " " + shell_word(key + "=" + value);
  return command + " " + shell_word("output=" + plan.output + "-best");
}

Json record_of(const SweepPlan& plan, const std::string& validation,
               const std::vector<Result>& results) {
  Json record;
  record["metric"] = kMetric;
  record["validation"] = validation;
  record["best"] = results[0].run->name;
  record["artifact"] = results[0].run->config.output + "/artifact";
  record["command"] = command_of(plan, *results[0].run);
  record["runs"] = Json::array();
  for (const Result& result : results) {
    Json run;
    run["name"] = result.run->name;
    run["status"] = result.error.empty() ? "succeeded" : "failed";
    run["settings"] = Json::object();
    for (const auto& [key, value] : result.run->settings) run["settings"][key] = value;
    if (!result.error.empty()) run["error"] = result.error;
    for (const char* name : {kMetric, "best_step", "steps", "final_loss", "seconds"})
      if (result.metrics.contains(name)) run[name] = result.metrics[name];
    record["runs"].push_back(run);
  }
  return record;
}

std::string fixed(const Json& value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value.get<double>();
  return out.str();
}

std::vector<std::vector<std::string>> cells_of(const std::vector<Result>& results) {
  std::vector<std::string> head = {kMetric, "best step", "last loss", "seconds"};
  for (const auto& [key, value] : results[0].run->settings) head.push_back(key);
  std::vector<std::vector<std::string>> rows = {head};
  for (const Result& result : results) {
    std::vector<std::string> row = {"failed", "", "", ""};
    if (result.error.empty())
      row = {fixed(result.metrics[kMetric], 4),
             std::to_string(result.metrics.value("best_step", 0)),
             fixed(result.metrics["final_loss"], 4), fixed(result.metrics["seconds"], 1)};
    for (const auto& [key, value] : result.run->settings) row.push_back(value);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string table_of(const Json& record, const std::vector<Result>& results) {
  const auto rows = cells_of(results);
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c)
      line += (c ? "  " : "") + std::string(widths[c] - row[c].size(), ' ') + row[c];
    text += line + "\n";
  }
  for (const Result& result : results)
    if (!result.error.empty()) text += "failed: " + result.run->name + ": " + result.error + "\n";
  return text + "\nbest on " + record["validation"].get<std::string>() + ": " +
         record["artifact"].get<std::string>() +
         "\nthe same in one run: " + record["command"].get<std::string>() + "\n";
}

// Those that finished, the best first, which the others are compared with.
void write_comparison(const SweepPlan& plan, const std::vector<Result>& results) {
  std::vector<std::string> runs;
  for (const Result& result : results)
    if (result.error.empty() && runs.size() < kMostRuns) runs.push_back(result.run->config.output);
  if (runs.size() > 1) write_report(make_report(runs, 0), plan.output + "/report.html");
}

}  // namespace

SweepOutcome sweep(const SweepPlan& plan, const StopRequested& stop) {
  const RunLock lock(plan.output);
  RunConfig shared = plan.runs[0].config;
  shared.output = plan.output;
  std::optional<DataPaths> generated;
  if (shared.has_generate) {
    generate_stage(shared, stop);
    generated = data_paths(shared);
  }
  const std::string validation = data_paths(shared).validation;
  check_validation(validation);
  const std::vector<Result> results = run_all(plan, generated, stop);
  SweepOutcome outcome;
  outcome.record = record_of(plan, validation, results);
  outcome.table = table_of(outcome.record, results);
  write_file_durably(plan.output + "/sweep.json", outcome.record.dump(2) + "\n");
  write_comparison(plan, results);
  return outcome;
}

}  // namespace attune
