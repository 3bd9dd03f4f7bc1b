#include "pipeline/run.h"

#include "apps/standard_output.h"
#include "apps/stop_signal.h"
#include "apps/verbs.h"
#include "core/error.h"
#include "retrieval/gate.h"
#include "retrieval/query_results.h"

namespace attune {

void run_command(const Arguments& arguments, const RunConfig& config) {
  if (arguments.has("--dry-run")) return tell_dry_run(arguments, config, /*whole_run=*/true);
  if (arguments.has("--json"))
    throw_error(ErrorKind::kConfig,
                "attune run: --json goes with --dry-run; `attune train --json` "
                "tells of a training");
  const std::vector<std::string> texts = arguments.values("--fail-under");
  if (!texts.empty() && !config.has_evaluate)
    throw_error(ErrorKind::kConfig,
                "--fail-under needs the section 'evaluate': nothing is measured otherwise");
  const std::vector<Gate> gates = parse_gates(texts, config.evaluate.k);
  install_stop_signals();
  write_stdout(run(config, stop_requested));
  if (gates.empty()) return;
  const QueryResults results = read_query_results(config.output + "/evaluation.queries.jsonl");
  check_gates(gates, results.metrics(results.find_system("finetuned")), "the finetuned model");
}

}  // namespace attune
