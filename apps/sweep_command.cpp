#include "pipeline/sweep.h"

#include "apps/standard_output.h"
#include "apps/stop_signal.h"
#include "apps/verbs.h"

namespace attune {

void sweep_command(const Arguments& arguments, const SweepPlan& plan) {
  install_stop_signals();
  const SweepOutcome outcome = sweep(plan, stop_requested);
  if (!arguments.has("--json")) return write_stdout(outcome.table);
  Json answer = {{"status", "succeeded"}};
  answer.update(outcome.record);
  write_stdout(answer.dump() + "\n");
}

}  // namespace attune
