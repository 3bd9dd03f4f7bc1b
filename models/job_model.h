// Models by the id of their job (core/job_registry.h), by their own, or by an alias
// (core/alias_registry.h).
#pragma once

#include <optional>
#include <string>

#include "core/alias_registry.h"

namespace attune {

// The artifact's directory. None for a name that is no id. Error{kConfig}: no such job, with the
// nearest id; the job has no model (yet), with its status and what to do; {kData}: the model is
// gone.
std::optional<std::string> path_of_job_model(const std::string& name);

// The directory that an alias leads to now; of several arms the heaviest. None for a name that is
// no alias here; one that begins with "alias:" must be one. Error{kConfig}: it is the name of a
// directory, too; {kData}: the model is gone, or another one lies in its place.
std::optional<std::string> path_of_alias(const std::string& name);

// Whether a name of resolve_embed_model() is of a model with a directory; not openai:, vectors:,
// mock:, default, disabled and none.
bool names_directory(const std::string& model);

// Where path_of_alias() looked for a name, for a message that it was not found: ", aliases in
// PATH", with the nearest one. "" for what can be no alias's name.
std::string registry_places(const std::string& name);

// An arm for whatever resolve_model_path() finds, which must be a model. Of an alias its arm;
// Error{kConfig}: it has several. Other errors as there.
AliasArm alias_arm(AliasRegistry& registry, const std::string& model, std::int64_t weight);

// Whether a name of a model means the same on other machines: a hub's name, no directory, no id of
// a job or model, and no alias.
bool is_hub_name(const std::string& model);

}  // namespace attune
