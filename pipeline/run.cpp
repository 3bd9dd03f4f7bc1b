#include "pipeline/run.h"

#include <filesystem>

#include "core/durable.h"
#include "core/error.h"
#include "core/json.h"
#include "models/adapter_directory.h"
#include "models/model_directory.h"
#include "pipeline/evaluate_stage.h"
#include "pipeline/generate_stage.h"
#include "pipeline/index_stage.h"
#include "pipeline/run_lock.h"

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
  if (config.has_generate) generate_stage(config, stop);
  return train_stage(config, existing, stop);
}

std::string run(const RunConfig& config, const StopRequested& stop) {
  const RunLock lock(config.output);
  write_resolved(config);
  if (config.has_generate) generate_stage(config, stop);
  if (!config.has_train) return "";
  if (config.has_evaluate) load_test_set(config);
  const TrainOutcome trained = train_stage(config, Existing::kUpdate, stop);
  if (config.has_evaluate && stop && stop())
    throw_error(ErrorKind::kInterrupted, config.output, ": stopped before the evaluation");
  const std::string table = config.has_evaluate ? evaluate_stage(config) + "\n" : "";
  if (config.has_index && stop && stop())
    throw_error(ErrorKind::kInterrupted, config.output, ": stopped before the index");
  const std::string index = config.has_index ? index_stage(config, stop) : "";
  return table + how_to_load(trained.artifact) + index;
}

}  // namespace attune
