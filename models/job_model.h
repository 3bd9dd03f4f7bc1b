// A finetuned model by the id of its job (core/job_registry.h) or by its own.
#pragma once

#include <optional>
#include <string>

namespace attune {

// The artifact's directory. None for a name that is no id, or of no job that is known here.
// Error{kConfig}: the job has no model (yet), with its status and what to do; {kData}: the model is
// gone.
std::optional<std::string> path_of_job_model(const std::string& name);

// Whether a name of a model means the same on other machines: a hub's name, no directory, and no id
// of a job or model.
bool is_hub_name(const std::string& model);

}  // namespace attune
