// The questions whose ranking changed most, with the passages found before and after, side by side.
#pragma once

#include <string>

#include "pipeline/report/recorded_run.h"
#include "pipeline/report/verdict.h"

namespace attune {

// Empty where nothing was compared, or `count` is 0.
std::string question_section(const RecordedRun& run, const Verdict& verdict, int count);

}  // namespace attune
