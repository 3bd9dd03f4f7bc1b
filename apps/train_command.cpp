#include "apps/standard_output.h"
#include "apps/stop_signal.h"
#include "apps/verbs.h"
#include "core/error.h"
#include "pipeline/dry_run.h"
#include "pipeline/recorded_job.h"
#include "pipeline/run.h"

namespace attune {
namespace {

Existing existing_of(const Arguments& arguments) {
  const bool resume = arguments.has("--resume"), overwrite = arguments.has("--overwrite");
  if (resume && overwrite)
    throw_error(ErrorKind::kConfig, "--resume and --overwrite exclude each other");
  return resume ? Existing::kResume : overwrite ? Existing::kOverwrite : Existing::kRefuse;
}

}  // namespace

void tell_dry_run(const Arguments& arguments, const RunConfig& config, bool whole_run) {
  const DryRun told = dry_run(config, whole_run);
  write_stdout(arguments.has("--json") ? told.json.dump() + "\n" : told.text);
}

void train_command(const Arguments& arguments, const RunConfig& config) {
  const Existing existing = existing_of(arguments);
  if (arguments.has("--dry-run")) {
    check_existing_training(config, existing);
    return tell_dry_run(arguments, config, /*whole_run=*/false);
  }
  install_stop_signals();
  TrainOutcome outcome;
  as_job(config, stop_requested, [&](const StopRequested& stop) {
    outcome = train(config, existing, stop);
    return outcome.metrics;
  });
  Json answer;
  answer["status"] = "succeeded";
  answer["run"] = outcome.run;
  answer["artifact"] = outcome.artifact;
  answer["metrics"] = outcome.metrics;
  write_stdout(arguments.has("--json") ? answer.dump() + "\n" : outcome.artifact + "\n");
}

}  // namespace attune
