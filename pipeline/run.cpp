#include "pipeline/run.h"

#include <filesystem>

#include "core/durable.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "models/adapter_directory.h"
#include "models/model_directory.h"
#include "pipeline/mine_stage.h"
#include "pipeline/run_lock.h"
#include "pipeline/stages.h"

namespace attune {
namespace {

void write_resolved(const RunConfig& config) {
  write_file_durably(config.output + "/config.yaml", print_config(config));
}

std::string quoted(const std::string& text) { return dump_json_like_python(Json(text), -1); }

std::string how_to_load_adapter(const std::string& artifact, const std::string& place) {
  const bool both = load_adapter(artifact).sides == AdapterSides::kBoth;
  return str_cat(
      "adapter (artifact): ", artifact,
      both ? ", for queries and documents: their index "
             "must be made anew"
           : ", for queries: an index of the base stays",
      both ? "" : "\n  LlamaIndex:             AdapterEmbeddingModel(base, " + place + ")",
      "\n  sentence-transformers:  attune export ", artifact, " --output DIR",
      "\n  attune:                 attune embed --model ", artifact,
      " --role query --input texts.txt --output vectors.npy\n");
}

std::string how_to_load(const std::string& artifact) {
  std::error_code ignored;
  const std::string place =
      quoted(std::filesystem::absolute(artifact, ignored).lexically_normal().string());
  if (is_adapter_directory(artifact)) return how_to_load_adapter(artifact, place);
  std::string llama_index = "model_name=" + place;  // it does not read the prompts that are stored
  const Prompts prompts = read_model_directory(artifact).prompts;
  if (!prompts.query.empty()) llama_index += ", query_instruction=" + quoted(prompts.query);
  if (!prompts.document.empty()) llama_index += ", text_instruction=" + quoted(prompts.document);
  return str_cat("finetuned model (artifact): ", artifact,
                 "\n  sentence-transformers:  SentenceTransformer(", place,
                 ")\n  LlamaIndex:             HuggingFaceEmbedding(", llama_index,
                 ")\n  attune:                 attune embed --model ", artifact,
                 " --input texts.txt --output vectors.npy\n");
}

}  // namespace

TrainOutcome train(const RunConfig& config, Existing existing, const StopRequested& stop) {
  if (!config.has_train)
    throw_error(ErrorKind::kConfig,
                "the configuration has no section 'train': nothing to train; "
                "'train: {}' takes every default");
  const RunLock lock(config.output);
  check_existing_training(config, existing);
  write_resolved(config);
  RunConfig before = config;
  before.has_evaluate = false;  // a test that is not there is no mistake yet
  for (const Stage& stage : stages()) {
    if (stage.name == "train") break;
    if (stage.is_wanted(before)) stage.run(before, stop);
  }
  return train_stage(with_mined_negatives(config), existing, stop);
}

std::string run(const RunConfig& config, const StopRequested& stop) {
  const RunLock lock(config.output);
  write_resolved(config);
  std::string told;
  for (const Stage& stage : stages()) {
    if (!stage.is_wanted(config)) continue;
    if (stop && stop())
      throw_error(ErrorKind::kInterrupted, config.output, ": stopped before the stage '",
                  stage.name, "'");
    log_debug(str_cat("stage '", stage.name, "'"));
    told += stage.run(config, stop);
  }
  return config.has_train ? told + how_to_load(config.output + "/artifact") : told;
}

}  // namespace attune
