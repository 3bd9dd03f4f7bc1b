#include "pipeline/integrate_stage.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "core/alias_registry.h"
#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "pipeline/train_stage.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

std::string evaluation_path(const RunConfig& config) { return config.output + "/evaluation.json"; }

// The copy of a model that an alias leads to.
std::string place_of(const RunConfig& config, const Fingerprint& artifact) {
  return config.output + "/integrated/" + artifact.substr(0, 16);
}

// The model alone, or beside what the alias leads to most of all.
std::vector<AliasArm> arms_of(const IntegrateConfig& config, AliasArm model,
                              const std::optional<AliasVersion>& now) {
  if (config.weight == 100 || !now) return {model};
  std::vector<AliasArm> others = now->arms;
  std::erase_if(others, [&](const AliasArm& arm) { return arm.path == model.path; });
  if (others.empty()) return {model};
  AliasArm heaviest = *std::ranges::max_element(others, {}, &AliasArm::weight);
  heaviest.weight = 100 - config.weight;
  model.weight = config.weight;
  return {heaviest, model};
}

}  // namespace

void keep_model(const std::string& artifact, const std::string& folder) {
  remove_stale_temporaries(folder);
  if (file_exists(folder + "/attune.json")) return;
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(artifact))
    if (entry.is_regular_file())
      names.push_back(fs::relative(entry.path(), artifact).generic_string());
  std::sort(names.begin(), names.end());
  DurableDirectory out(folder);
  for (const std::string& name : names) out.copy_file(artifact + "/" + name, name);
  out.commit();
}

bool is_shown_better(const Json& evaluation) {
  try {
    for (const Json& system : evaluation.at("models")) {
      if (system.at("model") != "finetuned" || system.value("against", "") != "base") continue;
      for (const auto& [metric, gain] : system.at("gain").items())
        if (metric.starts_with("ndcg@")) return gain.at(1).get<double>() > 0;
    }
  } catch (const Json::exception& error) {
    throw_error(ErrorKind::kData, "evaluation.json is not what 'evaluate' writes: ", error.what());
  }
  throw_error(ErrorKind::kData,
              "evaluation.json does not compare the finetuned model's NDCG with the base's, which "
              "integrate.if_better asks for");
}

bool is_kept_out(const RunConfig& config) {
  return config.has_integrate && config.integrate.if_better &&
         file_exists(evaluation_path(config)) &&
         !is_shown_better(read_json_file(evaluation_path(config)));
}

StageInputs integrate_inputs(const RunConfig& config) {
  StageInputs inputs;
  inputs.settings = settings_of(config.integrate, "integrate");
  inputs.settings["what 'integrate' does"] = "1";
  inputs.settings["kept out"] = is_kept_out(config) ? "true" : "false";
  inputs.files["artifact"] = fingerprint_model_files(config.output + "/artifact");
  return inputs;
}

std::string integrate_damage(const RunConfig& config, const StageRecord& record) {
  if (!record.result.contains("version")) return "";  // it was kept out
  const std::string& alias = config.integrate.alias;
  const std::string path = JobRegistry::default_path();
  const auto now = file_exists(path) ? AliasRegistry(path).find(alias) : std::nullopt;
  if (!now) return "there is no alias " + alias;
  const std::string kept = place_of(config, record.inputs.files.at("artifact"));
  for (const AliasArm& arm : now->arms)
    if (arm.path == fs::absolute(kept).lexically_normal() && !file_exists(kept + "/attune.json"))
      return str_cat("alias ", alias, " leads to ", kept, ", which is gone");
  return "";
}

std::string integrate_stage(const RunConfig& config) {
  StageRecord record("integrate");
  record.inputs = integrate_inputs(config);
  if (const auto last = current_stage_record(config.output, record.stage, record.inputs)) {
    const std::string damage = integrate_damage(config, *last);
    if (damage.empty()) {
      log_info("integrate: unchanged, not run again");
      return last->result.value("told", "");
    }
    log_info("integrate: runs again: " + damage);
  }
  const std::string& alias = config.integrate.alias;
  std::string told;
  if (is_kept_out(config)) {
    told = str_cat("alias ", alias,
                   ": left as it is, and so is the index: the model is not shown to be better than "
                   "its base (integrate.if_better)\n");
  } else {
    const std::string kept = place_of(config, record.inputs.files["artifact"]);
    keep_model(config.output + "/artifact", kept);
    AliasRegistry registry;
    const AliasVersion version =
        registry.set(alias, arms_of(config.integrate, registry.arm(kept), registry.find(alias)));
    const bool whole = version.arms.size() == 1;
    told = str_cat("alias ", alias, ": leads to this model",
                   whole ? "" : str_cat(" for ", config.integrate.weight, " % of the requests"),
                   "; back: attune alias rollback ", alias, "\n");
    record.result["version"] = version.number;
  }
  record.result["told"] = told;
  record.finish(config.output);
  log_info("integrate: " + told.substr(0, told.size() - 1));
  return told;
}

}  // namespace attune
