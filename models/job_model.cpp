#include "models/job_model.h"

#include <filesystem>

#include <attune/jobs.h>

#include "core/config_reader.h"
#include "core/error.h"
#include "core/file.h"
#include "core/job_registry.h"
#include "core/log.h"
#include "models/adapter_directory.h"
#include "models/model_directory.h"

namespace attune {
namespace {

bool is_there(const std::string& directory) {
  std::error_code ignored;
  return std::filesystem::is_directory(directory, ignored);
}

}  // namespace

std::optional<std::string> path_of_job_model(const std::string& name) {
  if (!is_job_id(name)) return std::nullopt;
  const std::string path = JobRegistry::default_path();
  if (!file_exists(path))
    throw_error(ErrorKind::kConfig, "no job '", name, "': there is no ", path,
                "; ATTUNE_HOME is the folder where it was run");
  return JobRegistry(path).artifact(name);
}

bool names_directory(const std::string& model) {
  return !model.starts_with("openai:") && !model.starts_with("vectors:") &&
         !model.starts_with("mock:") && model != "default" && model != "disabled" &&
         model != "none";
}

std::string registry_places(const std::string& name) {
  if (!is_alias_name(name)) return "";
  const std::string path = JobRegistry::default_path();
  if (!file_exists(path)) return ", aliases (there are none)";
  std::vector<std::string> known;
  for (const AliasVersion& alias : AliasRegistry(path).list()) known.push_back(alias.alias);
  const std::optional<std::string> near = nearest(name, known);
  return str_cat(", aliases in ", path, near ? " (did you mean " + *near + "?)" : "");
}

std::optional<std::string> path_of_alias(const std::string& name) {
  const bool is_meant = name.starts_with("alias:");
  const std::string alias = is_meant ? name.substr(6) : name;
  const std::string path = JobRegistry::default_path();
  if (!is_meant && (!is_alias_name(alias) || !file_exists(path))) return std::nullopt;
  const bool is_directory = !is_meant && is_there(name);
  try {
    AliasRegistry registry(path);
    const auto found = is_meant ? registry.get(alias) : registry.find(alias);
    if (!found) return std::nullopt;
    if (is_directory)
      throw_error(ErrorKind::kConfig, "'", name,
                  "' is an alias, and a directory here: say alias:", name, " or local:", name);
    const AliasArm& arm = arm_for(*found, "");
    check_arm(alias, arm);
    return arm.path;
  } catch (const Error& error) {
    if (!is_directory || error.kind() == ErrorKind::kConfig) throw;
    log_warning(str_cat("whether '", name, "' is an alias, too, is not known: ", error.what()));
    return std::nullopt;
  }
}

AliasArm alias_arm(AliasRegistry& registry, const std::string& model, std::int64_t weight) {
  const bool is_local = model.starts_with("local:");
  if (!is_local && path_of_alias(model)) {
    const std::string other = model.starts_with("alias:") ? model.substr(6) : model;
    const AliasVersion version = registry.get(other);
    if (version.arms.size() > 1)
      throw_error(ErrorKind::kConfig, "'", model, "' is an alias of ", version.arms.size(),
                  " models: name the one that is meant; `attune alias show ", other,
                  "` tells them");
    AliasArm arm = version.arms[0];
    arm.weight = weight;
    return arm;
  }
  if (!is_local && !is_there(model) && path_of_job_model(model)) return registry.arm(model, weight);
  const std::string path = resolve_model_path(model);
  if (!is_adapter_directory(path)) read_model_directory(path);
  return registry.arm(path, weight);
}

bool is_hub_name(const std::string& model) {
  return !model.starts_with("local:") && !is_there(model) && !path_of_job_model(model) &&
         !path_of_alias(model);
}

std::shared_ptr<const BaseEmbedding> get_finetuned_model(const std::string& job,
                                                         const EmbedOptions& options) {
  return resolve_embed_model("local:" + JobRegistry().artifact(job), options);
}

}  // namespace attune
