// What the evaluation found, as HTML. Each is empty where there is nothing to tell.
#pragma once

#include <string>
#include <vector>

#include "pipeline/report/recorded_run.h"
#include "pipeline/report/verdict.h"

namespace attune {

std::string metrics_section(const RecordedRun& run, const Verdict& verdict);
std::string scores_section(const RecordedRun& run);
std::string slices_section(const RecordedRun& run, const Verdict& verdict);

// A table of changes with their intervals, the bars on one scale. All texts are HTML; `names` are
// those of the rows, under `heading`.
struct ChangesHeading {
  std::string names, reference, candidate;
};
std::string changes_table(const ChangesHeading& heading, const std::vector<std::string>& names,
                          const std::vector<MetricChange>& changes);

}  // namespace attune
