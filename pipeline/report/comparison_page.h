// Several runs in one page: in what they differ, their curves over each other, and what that did to
// the metrics, with intervals where they were measured on the same questions.
#pragma once

#include <string>
#include <vector>

#include "pipeline/report/recorded_run.h"

namespace attune {

constexpr std::size_t kMostRuns = 100;

// 2 to kMostRuns of them; the first is what the others are compared with. At most 500 KB.
std::string comparison_page(const std::vector<RecordedRun>& runs);

}  // namespace attune
