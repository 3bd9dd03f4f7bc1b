#include "pipeline/run.h"

#include "apps/standard_output.h"
#include "apps/stop_signal.h"
#include "apps/verbs.h"
#include "core/error.h"
#include "pipeline/recorded_job.h"

namespace attune {

void run_command(const Arguments& arguments, const RunConfig& config) {
  if (arguments.has("--dry-run")) return tell_dry_run(arguments, config, /*whole_run=*/true);
  if (arguments.has("--json"))
    throw_error(ErrorKind::kConfig,
                "attune run: --json goes with --dry-run; `attune train --json` "
                "tells of a training");
  install_stop_signals();
  std::string told;
  as_job(config, stop_requested, [&](const StopRequested& stop) {
    told = run(config, stop);
    return evaluation_metrics(config);
  });
  write_stdout(told);
}

}  // namespace attune
