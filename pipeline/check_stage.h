// Stage "check": what the data sets hold, before anything is trained on them -> OUTPUT/data.json.
#pragma once

#include "pipeline/run_config.h"
#include "pipeline/stage_record.h"

namespace attune {

StageInputs check_inputs(const RunConfig& config);

// Warns of rows that are refused, and of queries that are both trained on and measured, which make
// a measurement too good. Error{kData}: no query of the test has a relevant passage. Does nothing
// where the data sets are those of the last time.
void check_stage(const RunConfig& config);

}  // namespace attune
