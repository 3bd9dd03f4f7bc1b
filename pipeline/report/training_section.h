// The curves of a training, as HTML.
#pragma once

#include <string>
#include <vector>

#include "pipeline/report/charts.h"
#include "pipeline/report/recorded_run.h"

namespace attune {

// Empty where nothing was trained.
std::string training_section(const RecordedRun& run);

// Of one number of the steps.
Points step_points(const TrainingLog& log, double LoggedStep::* number);
// Of one metric of the validations.
Points validation_points(const TrainingLog& log, const std::string& metric);

}  // namespace attune
