#include "pipeline/evaluate_stage.h"

#include <algorithm>
#include <chrono>

#include "core/durable.h"
#include "core/error.h"
#include "core/log.h"
#include "models/encoder_embedding.h"
#include "pipeline/base_model.h"
#include "pipeline/generate_stage.h"
#include "pipeline/stage_record.h"
#include "pipeline/train_stage.h"
#include "retrieval/report_table.h"

namespace attune {
namespace {

constexpr const char* kVersion = "1";  // of what the stage does with equal inputs

bool has_baseline(const RunConfig& config, const std::string& name) {
  const auto& baselines = config.evaluate.baselines;
  return std::find(baselines.begin(), baselines.end(), name) != baselines.end();
}

Evaluation evaluate_model(const std::string& name, const std::string& directory,
                          const EmbedOptions& options, const EmbeddingQAFinetuneDataset& test,
                          const std::vector<int>& k) {
  log_info(str_cat("evaluate: ", name, " on ", test.queries.size(), " queries and ",
                   test.corpus.size(), " passages"));
  Evaluation evaluation = evaluate(*resolve_embed_model(directory, options), test, k);
  evaluation.model = name;
  return evaluation;
}

std::vector<Evaluation> evaluate_systems(const RunConfig& config, const std::string& artifact,
                                         const EmbeddingQAFinetuneDataset& test) {
  std::vector<Evaluation> systems;
  EmbedOptions options;
  options.device = config.device;
  if (has_baseline(config, "base"))
    systems.push_back(evaluate_model("base", config.model.base, base_embed_options(config), test,
                                     config.evaluate.k));
  systems.push_back(evaluate_model("finetuned", artifact, options, test, config.evaluate.k));
  if (has_baseline(config, "bm25")) {
    systems.push_back(evaluate_bm25(test, config.evaluate.k));
    systems.back().model = "bm25";
  }
  return systems;
}

}  // namespace

EmbeddingQAFinetuneDataset load_test_set(const RunConfig& config) {
  const std::string path = data_paths(config).test;
  auto test = EmbeddingQAFinetuneDataset::from_json(path);
  for (const std::vector<std::int64_t>& relevant : test.relevant_docs)
    if (!relevant.empty()) return test;
  throw_error(ErrorKind::kData, path,
              ": holds no query with a relevant passage, so nothing can be measured; give "
              "data.test, or name pages with questions in generate.question_pages");
}

StageInputs evaluate_inputs(const RunConfig& config) {
  StageInputs inputs;
  inputs.settings = settings_of(config.evaluate, "evaluate");
  inputs.settings.merge(settings_of(config.model, "model"));
  inputs.settings.erase("model.base");
  inputs.settings["device"] = config.device;
  inputs.settings["what 'evaluate' does"] = kVersion;
  inputs.files["artifact"] = fingerprint_model_files(config.output + "/artifact");
  inputs.files["model.base"] = fingerprint_model_files(resolve_model_path(config.model.base));
  inputs.files["data.test"] = sha256_file(data_paths(config).test);
  return inputs;
}

std::string evaluate_stage(const RunConfig& config) {
  const auto started = std::chrono::steady_clock::now();
  const std::string artifact = config.output + "/artifact", test_path = data_paths(config).test;
  StageRecord record;
  record.stage = "evaluate";
  record.inputs = evaluate_inputs(config);
  if (const auto last = current_stage_record(config.output, record.stage, record.inputs)) {
    log_info("evaluate: unchanged, not run again");
    return last->result.value("table", "");
  }
  const EmbeddingQAFinetuneDataset test = load_test_set(config);
  const std::vector<Evaluation> systems = evaluate_systems(config, artifact, test);
  const Gains gains = gains_of(systems);
  write_file_durably(config.output + "/evaluation.json",
                     report_json(test_path, systems, gains).dump(2) + "\n");
  record.add_output(config.output, "evaluation.json");
  record.finished = true;
  record.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  record.result["table"] = report_table(systems, gains);
  write_stage_record(config.output, record);
  log_info(str_cat("evaluate: done in ", record.seconds, " s"));
  return record.result["table"];
}

}  // namespace attune
