#include "apps/standard_output.h"
#include "apps/stop_signal.h"
#include "apps/verbs.h"
#include "core/error.h"
#include "pipeline/generate_stage.h"
#include "pipeline/run_lock.h"

namespace attune {

void generate_command(const Arguments& arguments, const RunConfig& config) {
  if (!config.has_generate)
    throw_error(ErrorKind::kConfig,
                "the configuration has no section 'generate': nothing to generate; "
                "'generate: {}' takes every default");
  const bool json = arguments.has("--json");
  if (arguments.has("--dry-run")) {
    const GenerateDryRun told = generate_dry_run(config);
    return write_stdout(json ? told.json.dump() + "\n" : told.text);
  }
  install_stop_signals();
  const RunLock lock(config.output);
  const GenerateOutcome outcome = generate_stage(config, stop_requested);
  const Json answer = {{"status", "succeeded"},
                       {"dataset", outcome.dataset},
                       {"queries", outcome.queries},
                       {"passages", outcome.passages}};
  write_stdout(json ? answer.dump() + "\n" : outcome.dataset + "\n");
}

}  // namespace attune
