#include "models/job_model.h"

#include <filesystem>

#include <attune/jobs.h>

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
  if (!name.starts_with("job-") && !name.starts_with("model-")) return std::nullopt;
  const std::string path = JobRegistry::default_path();
  if (!file_exists(path)) return std::nullopt;
  JobRegistry registry(path);
  if (!registry.find(name)) return std::nullopt;
  return registry.artifact(name);
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
  if (!model.starts_with("local:") && path_of_job_model(model)) return registry.arm(model, weight);
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
