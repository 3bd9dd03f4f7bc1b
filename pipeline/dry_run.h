// `--dry-run`: what a run will take (trainer/training_estimate.h), without writing anything.
#pragma once

#include <string>

#include "core/json.h"
#include "pipeline/run_config.h"

namespace attune {

struct DryRun {
  Json json;         // {"status": "dry_run", "steps": ..., "memory_bytes": ..., ...}
  std::string text;  // for people, ends with a newline
};

// Refused with Error{kResources}, naming number and remedy: what does not fit into the memory, or
// on the disk below config.output. `whole_run`: the evaluation at the end is counted too.
DryRun dry_run(const RunConfig& config, bool whole_run);

}  // namespace attune
