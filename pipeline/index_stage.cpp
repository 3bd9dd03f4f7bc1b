#include "pipeline/index_stage.h"

#include <filesystem>

#include <attune/vector_store_index.h>

#include "core/duration.h"
#include "core/error.h"
#include "core/log.h"
#include "core/shell_word.h"
#include "data/dataset_formats.h"
#include "models/model_directory.h"
#include "pipeline/generate_stage.h"
#include "pipeline/stage_record.h"
#include "retrieval/index/index_storage.h"
#include "retrieval/index/node_lines.h"

namespace attune {
namespace {

std::string passages_path(const RunConfig& config) {
  if (!config.index.passages.empty()) return config.index.passages;
  return config.has_generate ? config.output + "/datasets/passages.jsonl" : config.data.test;
}

std::string index_directory(const RunConfig& config) {
  return config.index.directory.empty() ? config.output + "/index" : config.index.directory;
}

}  // namespace

std::string index_damage(const RunConfig& config, const StageRecord& record) {
  const auto index = IndexStorage::at(index_directory(config));
  try {
    if (index->state() != record.result.value("manifest", ""))
      return index->place() + " was changed by something else";
    index->verify();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kData) throw;
    return error.what();
  }
  return "";
}

StageInputs index_inputs(const RunConfig& config) {
  StageInputs inputs;
  inputs.settings = settings_of(config.index, "index");
  inputs.settings["index.directory"] = IndexStorage::at(index_directory(config))->place();
  inputs.settings["what 'index' does"] = "1";
  inputs.files["artifact"] = fingerprint_model_files(config.output + "/artifact");
  inputs.files["model.base"] = fingerprint_model_files(resolve_model_path(config.model.base));
  inputs.files["passages"] = fingerprint_dataset_files(passages_path(config));
  return inputs;
}

std::string index_stage(const RunConfig& config, const StopRequested& stop) {
  const std::string artifact = config.output + "/artifact", directory = index_directory(config),
                    passages = passages_path(config);
  const auto storage = IndexStorage::at(directory);
  StageRecord record("index");
  record.inputs = index_inputs(config);
  if (const auto last = current_stage_record(config.output, record.stage, record.inputs)) {
    const std::string damage = index_damage(config, *last);
    if (damage.empty()) {
      log_info("index: unchanged, not run again");
      return last->result.value("told", "");
    }
    log_info("index: runs again: " + damage);
  }
  EmbedOptions embed;
  embed.device = config.device;
  IndexOptions options;
  options.approximate = config.index.approximate;
  options.model = std::filesystem::absolute(artifact).lexically_normal().string();
  options.stop_requested = stop;
  const std::vector<TextNode> nodes = read_nodes(passages);
  if (nodes.empty()) throw_error(ErrorKind::kData, passages, ": holds no passage to be indexed");
  IndexChanges changes;
  const auto index = VectorStoreIndex::from_documents(nodes, resolve_embed_model(artifact, embed),
                                                      directory, options, &changes);
  record.result["manifest"] = storage->state();
  record.result["told"] =
      str_cat("index: ", storage->place(), ", ", index.size(), " passages\n  attune index search ",
              shell_word(storage->place()), " QUERY\n");
  record.result["nodes"] = index.size();
  record.result["embedded"] = changes.embedded;
  record.finish(config.output);
  log_info(str_cat("index: ", index.size(), " passages, ", changes.embedded,
                   " of them embedded, in ", duration_text(record.seconds)));
  return record.result["told"];
}

}  // namespace attune
