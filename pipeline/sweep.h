// `attune sweep`: every run of a plan, and which did best on the validation set.
#pragma once

#include <string>

#include "core/json.h"
#include "pipeline/sweep_plan.h"
#include "pipeline/train_stage.h"

namespace attune {

struct SweepOutcome {
  Json record;        // what OUTPUT/sweep.json holds (docs/formats.md)
  std::string table;  // for people: the runs, best first, and the command of the best
};

// Each run trains in OUTPUT/NAME, adapters on the vectors in OUTPUT/vectors, which are embedded
// once. Runs that are finished are not run again, one that was stopped goes on. Ordered by
// the NDCG@10 that chose each run's best step. A run that fails by itself (diverged, or settings
// that do not fit its model) is listed with its error; all of them failing is the first one's
// error. Being stopped is Error{kInterrupted}.
SweepOutcome sweep(const SweepPlan& plan, const StopRequested& stop = {});

}  // namespace attune
