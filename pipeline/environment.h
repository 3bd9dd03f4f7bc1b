// On what a training ran, for its record and its report.
#pragma once

#include <string>

#include "core/json.h"

namespace attune {

// {"device", "threads", "attune": version, "LibTorch": version}.
Json describe_environment(const std::string& device);  // a name of the configuration

}  // namespace attune
