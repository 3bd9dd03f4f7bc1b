#include "pipeline/run.h"

#include "apps/padded.h"
#include "apps/standard_output.h"
#include "apps/stop_signal.h"
#include "apps/verbs.h"
#include "core/error.h"
#include "core/json.h"
#include "pipeline/recorded_job.h"
#include "pipeline/stages.h"
#include "retrieval/gate.h"
#include "retrieval/query_results.h"

namespace attune {
namespace {

void tell_stages(const RunConfig& config, bool json) {
  Json stages = Json::array();
  std::string text;
  for (const StageForecast& stage : explain(config)) {
    stages.push_back({{"stage", stage.stage}, {"status", stage.status}, {"reason", stage.reason}});
    text += padded(stage.stage, 10) + padded(stage.status, 9) + stage.reason + "\n";
  }
  const Json answer = {{"status", "explained"}, {"run", config.output}, {"stages", stages}};
  write_stdout(json ? answer.dump() + "\n" : text);
}

}  // namespace

void run_command(const Arguments& arguments, const RunConfig& config) {
  if (arguments.has("--dry-run")) return tell_dry_run(arguments, config, /*whole_run=*/true);
  if (arguments.has("--explain")) return tell_stages(config, arguments.has("--json"));
  if (arguments.has("--json"))
    throw_error(ErrorKind::kConfig,
                "attune run: --json goes with --dry-run and --explain; `attune train --json` "
                "tells of a training");
  const std::vector<std::string> texts = arguments.values("--fail-under");
  if (!texts.empty() && !config.has_evaluate)
    throw_error(ErrorKind::kConfig,
                "--fail-under needs the section 'evaluate': nothing is measured otherwise");
  const std::vector<Gate> gates = parse_gates(texts, config.evaluate.k);
  install_stop_signals();
  std::string told;
  const auto work = [&](const StopRequested& stop) {
    told = run(config, stop);
    return evaluation_metrics(config);
  };
  if (is_nothing_to_do(config))
    work(stop_requested);
  else
    as_job(config, stop_requested, work);
  write_stdout(told);
  if (gates.empty()) return;
  const QueryResults results = read_query_results(config.output + "/evaluation.queries.jsonl");
  check_gates(gates, results.metrics(results.find_system("finetuned")), "the finetuned model");
}

}  // namespace attune
