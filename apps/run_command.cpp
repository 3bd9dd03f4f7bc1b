#include "pipeline/run.h"

#include "apps/standard_output.h"
#include "apps/stop_signal.h"
#include "apps/verbs.h"

namespace attune {

void run_command(const Arguments&, const RunConfig& config) {
  install_stop_signals();
  write_stdout(run(config, stop_requested));
}

}  // namespace attune
