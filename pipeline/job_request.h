// What a job (core/job_registry.h) of a configuration is to do.
#pragma once

#include <string>

#include "core/job_registry.h"
#include "pipeline/run_config.h"

namespace attune {

// The configuration is kept as configs/SHA256.yaml beside the registry, so that a job does tomorrow
// what it was asked today; its output is made absolute. Error{kResources}: it cannot be written.
JobRequest job_request(const RunConfig& config, const std::string& registry_path);

}  // namespace attune
