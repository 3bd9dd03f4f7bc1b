#include "pipeline/run.h"

#include "apps/standard_output.h"
#include "apps/stop_signal.h"
#include "apps/verbs.h"
#include "core/error.h"

namespace attune {

void run_command(const Arguments& arguments, const RunConfig& config) {
  if (arguments.has("--dry-run")) return tell_dry_run(arguments, config, /*whole_run=*/true);
  if (arguments.has("--json"))
    throw_error(ErrorKind::kConfig,
                "attune run: --json goes with --dry-run; `attune train --json` "
                "tells of a training");
  install_stop_signals();
  write_stdout(run(config, stop_requested));
}

}  // namespace attune
