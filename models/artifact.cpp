#include "models/artifact.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <ATen/ops/isfinite.h>

#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "models/lora_directory.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

std::string text_of(const Json& json) { return json.dump(2) + "\n"; }

Json pooling_json(const EmbeddingModel& model) {
  const std::vector<PoolingMode>& on = model.directory().pooling;
  Json json = {
      {"word_embedding_dimension", model.pooled_dimension() / static_cast<int>(on.size())}};
  for (PoolingMode mode : pooling_modes())
    json[pooling_switch(mode)] = std::find(on.begin(), on.end(), mode) != on.end();
  json["include_prompt"] = model.directory().include_prompt;
  return json;
}

Json module_json(int index, const std::string& path, const std::string& kind) {
  return {{"idx", index},
          {"name", std::to_string(index)},
          {"path", path},
          {"type", "sentence_transformers.models." + kind}};
}

// Prompts by name as they were, "query" and "document" as they are now.
Json st_config_json(const ModelDirectory& directory) {
  Json config = directory.st_config;
  if (!config.contains("__version__"))  // the oldest release that reads every key written here
    config["__version__"] = {
        {"sentence_transformers", "3.0.0"}, {"transformers", "4.41.0"}, {"pytorch", "2.3.0"}};
  if (!config.contains("prompts")) config["prompts"] = Json::object();
  for (const char* name : {"passage", "corpus"}) {
    config["prompts"].erase(name);
    if (config.contains("default_prompt_name") && config["default_prompt_name"] == name)
      config["default_prompt_name"] = "document";
  }
  config["prompts"]["query"] = directory.prompts.query;
  config["prompts"]["document"] = directory.prompts.document;
  for (const auto& [name, prompt] : directory.prompts.further) config["prompts"][name] = prompt;
  if (!config.contains("default_prompt_name")) config["default_prompt_name"] = nullptr;
  if (!config.contains("similarity_fn_name")) config["similarity_fn_name"] = "cosine";
  return config;
}

std::vector<NamedTensor> all_tensors(const EmbeddingModel& model) {
  std::vector<NamedTensor> tensors = model.encoder_tensors();
  std::set<std::string> used;
  for (const NamedTensor& tensor : tensors) used.insert(tensor.name);
  used.insert(model.left_out().begin(), model.left_out().end());
  for (const auto& [name, entry] : model.weights().entries()) {
    if (used.count(name) || name.ends_with("position_ids")) continue;
    tensors.push_back({name, model.weights().stored(name)});
  }
  return tensors;
}

// What both kinds of weights need beside them.
void write_tokenizer(const EmbeddingModel& model, const std::string& folder,
                     DurableDirectory& out) {
  const ModelDirectory& source = model.directory();
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"}) {
    const fs::path file = fs::path(source.tokenizer_path) / name;
    if (file_exists(file.string())) out.copy_file(file.string(), folder + name);
  }
  if (source.is_static) return;
  out.write(folder + "sentence_bert_config.json",
            text_of({{"max_seq_length", source.max_length}, {"do_lower_case", false}}));
}

// The modules after the first, and the list of all of them.
void write_modules(DurableDirectory& out, const EmbeddingModel& model) {
  const ModelDirectory& source = model.directory();
  Json modules = Json::array();
  const auto add = [&](const char* kind) {
    const int index = static_cast<int>(modules.size());
    const std::string folder = index == 0 ? "" : str_cat(index, "_", kind);
    modules.push_back(module_json(index, folder, kind));
    return folder + "/";
  };
  add(source.is_static ? "StaticEmbedding" : "Transformer");
  if (!source.is_static) write_pooling(model, add("Pooling"), out);
  for (std::size_t i = 0; i < source.dense.size(); ++i) write_dense(model, i, add("Dense"), out);
  if (source.normalize)  // hubs and archives drop empty directories
    out.write(add("Normalize") + "config.json", "{}\n");
  out.write("modules.json", text_of(modules));
}

}  // namespace

void write_transformer(const EmbeddingModel& model, const std::string& folder,
                       DurableDirectory& out) {
  write_safetensors(out, folder + "model.safetensors", all_tensors(model));
  write_tokenizer(model, folder, out);
  if (model.directory().is_static) return;  // the table says all
  Json config = model.directory().config;
  for (const char* key : {"torch_dtype", "dtype"})
    if (config.contains(key)) config[key] = "float32";  // what is written, whatever was read
  out.write(folder + "config.json", text_of(config));
}

void write_pooling(const EmbeddingModel& model, const std::string& folder, DurableDirectory& out) {
  out.write(folder + "config.json", text_of(pooling_json(model)));
}

void write_dense(const EmbeddingModel& model, std::size_t index, const std::string& folder,
                 DurableDirectory& out) {
  out.write(folder + "config.json", text_of(dense_json(model.directory().dense[index])));
  write_safetensors(out, folder + "model.safetensors", model.dense_tensors(index));
}

void write_st_config(const EmbeddingModel& model, DurableDirectory& out) {
  out.write("config_sentence_transformers.json", text_of(st_config_json(model.directory())));
}

void write_artifact(const EmbeddingModel& model, const std::string& directory, const Json& lineage,
                    const std::string& card, const ArtifactWeights& weights) {
  if (!at::isfinite(model.parameters().values()).all().item<bool>())
    throw_error(ErrorKind::kDiverged, directory, ": not written: the weights hold NaN or infinity");
  DurableDirectory out(directory);
  if (weights.lora_only) {
    write_lora(out, model.lora(), weights.dropout, weights.base);
    write_tokenizer(model, "", out);
  } else {
    write_transformer(model, "", out);
  }
  write_modules(out, model);
  write_st_config(model, out);
  out.write("attune.json", text_of(lineage));
  out.write("README.md", card);
  out.commit();
}

}  // namespace attune
