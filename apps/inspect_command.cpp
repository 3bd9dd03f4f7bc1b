#include <cmath>
#include <filesystem>
#include <set>

#include <ATen/core/Tensor.h>

#include "apps/standard_output.h"
#include "apps/verbs.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "models/adapter_directory.h"
#include "models/embedding_model.h"
#include "models/model_check.h"
#include "trainer/chunk_fit.h"
#include "trainer/trained_part.h"

namespace attune {
namespace {

constexpr std::size_t kMaxTokenizer = std::size_t{256} << 20;
constexpr int kMeasuredTokens = 64, kMeasuredTexts = 8;
constexpr std::int32_t kSomeToken = 0;
constexpr int kLoraRank = 16;
constexpr std::uint64_t kSeed = 0;

Json pooling_names(const EmbeddingModel& model) {
  Json names = Json::array();
  for (const PoolingMode mode : model.directory().pooling) names.push_back(pooling_name(mode));
  return names;
}

// "WordPiece", "BPE", ... of tokenizer.json, or what stands in for it.
std::string tokenizer_kind(const ModelDirectory& directory) {
  const std::string path = directory.tokenizer_path + "/tokenizer.json";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return "WordPiece (vocab.txt)";
  const Json file = read_json_file(path, kMaxTokenizer);
  return file.value("/model/type"_json_pointer, std::string("WordPiece"));
}

// What the file holds: "F32", or "BF16, F32" and so on.
std::string stored_types(const EmbeddingModel& model) {
  std::set<std::string> types;
  for (const auto& [name, entry] : model.weights().entries()) types.insert(entry.dtype);
  std::string all;
  for (const std::string& type : types) all += (all.empty() ? "" : ", ") + type;
  return all;
}

// Bytes on this processor in fp32: all weights, of those that are trained the gradients and both
// moments too, and what each token of a step takes, measured over two small forwards and backwards.
Json training_memory(EmbeddingModel& model) {
  ParameterStore& parameters = model.parameters();
  parameters.enable_training();
  StepPlan plan;
  plan.chunks.emplace_back();
  const std::vector<std::int32_t> ids(std::min(model.max_length(), kMeasuredTokens), kSomeToken);
  for (int text = 0; text < kMeasuredTexts; ++text)
    plan.chunks[0].add(ids.data(), std::ssize(ids), text);
  const auto embed = [&](const PackedTokens& chunk, const ForwardOptions& options) {
    return model.embed(chunk, options);
  };
  ForwardOptions options;
  options.training = true;
  const ChunkMemory memory = measure_chunk_memory(plan, embed, options, parameters);
  const auto number = static_cast<std::int64_t>(sizeof(float));
  return {{"resident_bytes", number * (parameters.frozen_count() + 4 * parameters.count())},
          {"bytes_per_token", std::llround(kHeapPerTensor * memory.bytes_per_token)}};
}

// The same with LoRA beside the layers that `train.lora` takes by default; why not, where that
// cannot be.
Json lora_memory(EmbeddingModel& model) {
  TrainConfig config;
  config.lora.rank = kLoraRank;
  Json out = {{"rank", kLoraRank}, {"targets", config.lora.targets}};
  set_log_level(LogLevel::kWarning);  // nothing is going to be trained
  try {
    choose_trained(model, config, kSeed);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kConfig) throw;
    out["unsupported"] = error.what();
    return out;
  }
  out["parameters"] = model.parameters().count();
  out.update(training_memory(model));
  return out;
}

Json describe(const EmbeddingModel& model) {
  const ModelDirectory& directory = model.directory();
  Json out;
  out["model"] = directory.path;
  out["type"] = directory.config.value("model_type", Json());
  out["dimension"] = model.dimension();
  out["hidden_size"] = model.encoder().hidden_size();
  out["layers"] = model.num_layers();
  for (const char* key : {"num_attention_heads", "n_heads"})
    if (directory.config.contains(key)) out["heads"] = directory.config[key];
  out["max_length"] = model.max_length();
  out["positions"] = model.encoder().max_positions();
  out["pooling"] = pooling_names(model);
  if (!directory.include_prompt) out["include_prompt"] = false;
  for (const Dense& dense : directory.dense) out["dense"].push_back(dense_json(dense));
  out["normalize"] = directory.normalize;
  out["prompts"] = {{"query", directory.prompts.query}, {"document", directory.prompts.document}};
  out["tokenizer"] = tokenizer_kind(directory);
  out["vocabulary"] = model.tokenizer().vocabulary_size();
  out["parameters"] = model.parameters().count();
  out["tensors"] = model.weights().entries().size();
  out["stored_as"] = stored_types(model);
  out["trained_as"] = "F32 (written as F32)";
  for (const std::string& name : model.left_out()) out["left_out"].push_back(name);
  out["fingerprint"] = model.fingerprint();
  out["unsupported"] = Json::array();  // else load_or_refuse() would have told it
  if (!directory.lora_path.empty()) out["base"] = directory.transformer_path;
  const std::string sidecar = directory.path + "/attune.json";
  std::error_code ignored;
  if (std::filesystem::exists(sidecar, ignored)) out["lineage"] = read_json_file(sidecar);
  return out;
}

// Where it does not load, all that is in the way is told.
std::shared_ptr<EmbeddingModel> load_or_refuse(const std::string& directory, bool as_json) {
  try {
    return EmbeddingModel::load(directory, at::kCPU);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kData) throw;
  }
  const std::vector<std::string> mistakes = model_mistakes(directory);
  if (as_json) write_stdout(Json{{"model", directory}, {"unsupported", mistakes}}.dump() + "\n");
  std::string text = str_cat(directory, ": attune cannot use this model:");
  for (const std::string& mistake : mistakes) text += "\n- " + mistake;
  throw Error(ErrorKind::kData, text);
}

Json describe_model(const std::string& directory, bool as_json) {
  Json out, memory;
  {
    const auto model = load_or_refuse(directory, as_json);
    out = describe(*model);
    memory = training_memory(*model);
  }
  // What is trained is chosen once a model, so another is loaded.
  memory["lora"] = lora_memory(*EmbeddingModel::load(directory, at::kCPU));
  out["training_memory"] = memory;
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
  Json described = is_adapter_directory(directory)
                       ? describe_adapter(directory)
                       : describe_model(directory, arguments.has("--json"));
  if (arguments.has("--json")) {
    write_stdout(described.dump() + "\n");
    return;
  }
  // The settings and the card are pages of their own, in attune.json.
  if (described.contains("lineage") && described["lineage"].is_object())
    for (const char* pages : {"config", "card"}) described["lineage"].erase(pages);
  std::string text;
  for (const auto& [key, value] : described.items())
    text += key + std::string(key.size() < 13 ? 13 - key.size() : 1, ' ') +
            (value.is_string() ? value.get<std::string>() : value.dump()) + "\n";
  write_stdout(text);
}

}  // namespace attune
