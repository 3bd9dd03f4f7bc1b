#include <filesystem>

#include <ATen/core/Tensor.h>

#include "apps/standard_output.h"
#include "apps/verbs.h"
#include "core/json.h"
#include "models/adapter_directory.h"
#include "models/embedding_model.h"

namespace attune {
namespace {

Json pooling_names(const EmbeddingModel& model) {
  Json names = Json::array();
  for (const PoolingMode mode : model.directory().pooling) names.push_back(pooling_name(mode));
  return names;
}

Json describe(const EmbeddingModel& model) {
  const ModelDirectory& directory = model.directory();
  const auto config = [&](const char* key) { return directory.config.value(key, Json()); };
  Json out;
  out["model"] = directory.path;
  out["type"] = config("model_type");
  out["dimension"] = model.dimension();
  out["layers"] = config("num_hidden_layers");
  out["heads"] = config("num_attention_heads");
  out["max_length"] = model.max_length();
  out["pooling"] = pooling_names(model);
  for (const Dense& dense : directory.dense) out["dense"].push_back(dense_json(dense));
  out["normalize"] = directory.normalize;
  out["prompts"] = {{"query", directory.prompts.query}, {"document", directory.prompts.document}};
  out["parameters"] = model.parameters().count();
  out["tensors"] = model.weights().entries().size();
  out["vocabulary"] = model.tokenizer().vocabulary_size();
  out["fingerprint"] = model.fingerprint();
  if (!directory.lora_path.empty()) out["base"] = directory.transformer_path;
  const std::string sidecar = directory.path + "/attune.json";
  std::error_code ignored;
  if (std::filesystem::exists(sidecar, ignored)) out["lineage"] = read_json_file(sidecar);
  return out;
}

Json describe_adapter(const std::string& directory) {
  const SavedAdapter saved = load_adapter(directory);
  Json out;
  out["adapter"] = directory;
  out["type"] = saved.type;
  const bool both = saved.sides == AdapterSides::kBoth;
  out["sides"] = both ? "both" : "query";
  out["index"] = both ? "documents are turned too: an index of the base must be made anew"
                      : "an index of the base stays valid";
  out["config"] = read_json_file(directory + "/config.json");
  std::int64_t count = 0;
  for (const auto& [name, tensor] : saved.adapter->parameters()) count += tensor.numel();
  out["parameters"] = count;
  if (!saved.sidecar.empty()) out["lineage"] = saved.sidecar;
  return out;
}

}  // namespace

void inspect_command(const Arguments& arguments, const RunConfig&) {
  const std::string directory = resolve_model_path(arguments.positionals()[0]);
  const Json described = is_adapter_directory(directory)
                             ? describe_adapter(directory)
                             : describe(*EmbeddingModel::load(directory, at::kCPU));
  if (arguments.has("--json")) {
    write_stdout(described.dump() + "\n");
    return;
  }
  std::string text;
  for (const auto& [key, value] : described.items())
    text += key + std::string(key.size() < 13 ? 13 - key.size() : 1, ' ') +
            (value.is_string() ? value.get<std::string>() : value.dump()) + "\n";
  write_stdout(text);
}

}  // namespace attune
