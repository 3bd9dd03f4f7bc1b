// `attune jobs ...`: the registry of runs (core/job_registry.h). Answered without LibTorch.
#pragma once

#include "apps/arguments.h"

namespace attune {

void jobs_command(const std::string& verb, const Arguments& arguments);

}  // namespace attune
