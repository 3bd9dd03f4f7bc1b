// Stage "report": what a run left -> OUTPUT/report.html. In a run with `report` or `evaluate`.
#pragma once

#include "pipeline/run_config.h"
#include "pipeline/stage_record.h"

namespace attune {

// The data sets count through the records of the stages that read them.
StageInputs report_inputs(const RunConfig& config);

// Does nothing where the files that the page is made of are those of the last time.
void report_stage(const RunConfig& config);

}  // namespace attune
