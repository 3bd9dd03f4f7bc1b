// What the run used: data, time, machine and settings, as HTML.
#pragma once

#include <string>

#include "pipeline/report/recorded_run.h"

namespace attune {

std::string cost_tile(const RecordedRun& run);
std::string data_section(const RecordedRun& run);
std::string cost_section(const RecordedRun& run);
std::string settings_section(const RecordedRun& run);

struct TrainingTotals {
  std::int64_t steps = 0, pairs = 0, tokens = 0;
  double step_seconds = 0;
};
TrainingTotals totals_of(const TrainingLog& log);

}  // namespace attune
