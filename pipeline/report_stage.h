// Stage "report": what a run left -> OUTPUT/report.html. In a run with `report` or `evaluate`.
#pragma once

#include "pipeline/run_config.h"

namespace attune {

// Does nothing where the files that the page is made of are those of the last time.
void report_stage(const RunConfig& config);

}  // namespace attune
