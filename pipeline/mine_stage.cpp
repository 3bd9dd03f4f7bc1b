#include "pipeline/mine_stage.h"

#include "core/error.h"
#include "core/log.h"
#include "data/dataset_formats.h"
#include "models/model_directory.h"
#include "pipeline/base_model.h"
#include "pipeline/generate_stage.h"
#include "pipeline/train_stage.h"

namespace attune {
namespace {

constexpr const char* kStage = "mine";
constexpr const char* kVersion = "1";  // of what the stage does with equal inputs

// Below OUTPUT, for the training set of that number.
std::string file_name(std::size_t i, std::size_t sets) {
  return sets == 1 ? "datasets/negatives.jsonl" : str_cat("datasets/negatives-", i + 1, ".jsonl");
}

}  // namespace

std::vector<std::string> mined_paths(const RunConfig& config) {
  const std::size_t sets = data_paths(config).train.size();
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < sets; ++i) paths.push_back(config.output + "/" + file_name(i, sets));
  return paths;
}

RunConfig with_mined_negatives(RunConfig config) {
  if (!config.has_mine) return config;
  config.train.negatives = mined_paths(config);
  config.has_mine = false;
  return config;
}

StageInputs mine_inputs(const RunConfig& config) {
  StageInputs inputs;
  inputs.settings = settings_of(config.mine, "mine");
  inputs.settings["what 'mine' does"] = kVersion;
  const std::vector<std::string> train = data_paths(config).train;
  for (std::size_t i = 0; i < train.size(); ++i)
    inputs.files[train.size() == 1 ? "data.train" : str_cat("data.train[", i, "]")] =
        fingerprint_dataset_files(train[i]);
  if (config.mine.source == "bm25") return inputs;
  inputs.settings.merge(settings_of(config.model, "model"));
  inputs.settings.erase("model.base");
  inputs.settings["device"] = config.device;
  inputs.files["model.base"] = fingerprint_model_files(resolve_model_path(config.model.base));
  return inputs;
}

void mine_stage(const RunConfig& config) {
  StageRecord record(kStage);
  record.inputs = mine_inputs(config);
  if (current_stage_record(config.output, kStage, record.inputs)) {
    log_info("mine: unchanged, not run again");
    return;
  }
  const std::vector<std::string> train = data_paths(config).train;
  std::shared_ptr<const BaseEmbedding> model;
  if (config.mine.source != "bm25")
    model = resolve_embed_model(config.model.base, base_embed_options(config));
  record.result["sets"] = Json::array();
  for (std::size_t i = 0; i < train.size(); ++i) {
    const auto dataset = load_qa_dataset(train[i]);
    const MinedNegatives mined = mine_hard_negatives(dataset, model.get(), config.mine);
    if (mined.complete == 0)
      throw_error(ErrorKind::kData, train[i], ": no hard negatives were found: ", mined.summary(),
                  "; lower mine.num_negatives or the margins, or raise mine.range_max");
    const std::string file = file_name(i, train.size());
    mined.save_jsonl(config.output + "/" + file, dataset);
    record.add_output(config.output, file);
    record.result["sets"].push_back(mined.counts());
    log_info(str_cat("mine: ", train[i], ": ", mined.summary()));
  }
  record.finish(config.output);
}

}  // namespace attune
