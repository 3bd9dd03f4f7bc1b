#include "models/embedding_model.h"

#include <algorithm>
#include <filesystem>

#include <ATen/TensorOperators.h>
#include <c10/core/DeviceGuard.h>

#include "core/error.h"
#include "core/file.h"
#include "models/lora_directory.h"
#include "models/stored_names.h"

namespace attune {
namespace {

// attune.json of a PEFT directory that attune wrote says which weights it was trained on.
void check_lora_base(const std::string& directory, const Fingerprint& found) {
  const std::string sidecar = directory + "/attune.json";
  if (!file_exists(sidecar)) return;
  const Json lineage = read_json_file(sidecar);
  if (!lineage.is_object()) return;
  const Json expected = lineage.value("/lora/base_fingerprint"_json_pointer, Json());
  if (expected.is_string() && expected != found)
    throw_error(ErrorKind::kData, directory, ": was trained on a base whose weights have SHA-256 ",
                expected.get<std::string>(), ", those of this base have ", found,
                "; give the right one with --base");
}

void update(Sha256& hash, const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().to(at::kCPU).contiguous();
  hash.update(std::span(static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()));
}

}  // namespace

EmbeddingModel::EmbeddingModel(ModelDirectory directory, Weights weights, const at::Device& device)
    : directory_(std::move(directory)), weights_(std::move(weights)), device_(device) {
  const std::string config_path =
      (std::filesystem::path(directory_.transformer_path) / "config.json").string();
  EncoderPlan plan = plan_encoder(directory_.config, config_path);
  use_own_names(weights_, plan);
  left_out_ = attune::left_out(weights_, plan);
  encoder_parameters_ = plan.parameters.size();
  parameters_ = std::make_unique<ParameterStore>(std::move(plan.parameters), weights_,
                                                 directory_.transformer_path, device_);
  encoder_ = plan.build(*parameters_);
  if (directory_.pooled_width != 0 && directory_.pooled_width != encoder_->hidden_size())
    throw_error(ErrorKind::kData, directory_.pooling_path, ": pools vectors of width ",
                directory_.pooled_width, ", the transformer in ", directory_.transformer_path,
                " gives ", encoder_->hidden_size(),
                ": they belong to different models; fetch the model again");
  if (!directory_.dense.empty()) add_dense();
  if (!directory_.lora_path.empty()) merge_lora();
  tokenizer_ = load_model_tokenizer(directory_, encoder_->vocabulary_size());
  if (tokenizer_->vocabulary_size() > encoder_->vocabulary_size())
    throw_error(ErrorKind::kData, directory_.tokenizer_path, ": the tokenizer has ",
                tokenizer_->vocabulary_size(), " tokens, the model's embedding only ",
                encoder_->vocabulary_size(), " rows: they belong to different models");
  if (directory_.max_length == 0 || directory_.max_length > encoder_->max_positions())
    directory_.max_length = encoder_->max_positions();
}

void EmbeddingModel::add_dense() {
  if (directory_.dense[0].in_features != pooled_dimension())
    throw_error(ErrorKind::kData, directory_.dense[0].folder, ": \"in_features\" is ",
                directory_.dense[0].in_features, ", pooling gives ", pooled_dimension());
  for (std::size_t i = 0; i < directory_.dense.size(); ++i) {
    Dense& dense = directory_.dense[i];
    load_dense(dense);
    // 2_Dense.linear.weight: the folder, as it is written, and the name in its file.
    const auto add = [&](const char* name, at::Tensor& tensor, bool decay) {
      const std::string full = str_cat(i + 2, "_Dense.", name);
      tensor = tensor.to(device_);
      parameters_->add({full, tensor.sizes().vec(), {full}, decay, ParameterSpec::kHead}, tensor);
    };
    add("linear.weight", dense.linear.weight, true);
    if (dense.bias) add("linear.bias", dense.linear.bias, false);
  }
  parameters_->select([](const ParameterSpec&, const std::string&) { return 1.0; });
}

void EmbeddingModel::merge_lora() {
  Lora lora = read_lora(directory_.lora_path);
  check_lora_base(directory_.path, encoder_fingerprint());
  const std::vector<LinearModule> modules = encoder_->linear_modules();
  attach_lora(lora, modules, /*dropout=*/0, directory_.lora_path);
  for (const LinearModule& module : modules) {
    Linear& layer = *module.layer;
    if (layer.low_rank.empty()) continue;
    layer.weight.copy_(merged_weight(layer));
    layer.low_rank.clear();
  }
}

void EmbeddingModel::add_lora(Lora lora, double dropout, const std::string& place) {
  ATTUNE_ASSERT(lora_.modules.empty());
  const std::vector<LinearModule> modules = encoder_->linear_modules();
  attach_lora(lora, modules, dropout, place);
  lora_ = std::move(lora);
  for (const LoraModule& added : lora_.modules) {
    int layer = 0;
    for (const LinearModule& module : modules)
      if (module.name == added.name) layer = module.encoder_layer;
    for (const NamedTensor& part : lora_tensors(added))
      parameters_->add({part.name, part.tensor.sizes().vec(), {part.name}, true, layer},
                       part.tensor);
  }
}

at::Tensor EmbeddingModel::whole_value(const ParameterSpec& spec) const {
  const at::Tensor& value = parameters_->get(spec.name);
  if (!lora_.modules.empty())
    for (const LinearModule& module : encoder_->linear_modules())
      if (module.layer->weight.is_same(value)) return merged_weight(*module.layer);
  return value.detach();
}

std::vector<NamedTensor> EmbeddingModel::encoder_tensors() const {
  std::vector<NamedTensor> tensors;
  for (std::size_t i = 0; i < encoder_parameters_; ++i) {
    const ParameterSpec& spec = parameters_->specs()[i];
    for (NamedTensor& part : stored_parts(spec, whole_value(spec)))
      tensors.push_back(std::move(part));
  }
  return tensors;
}

std::vector<NamedTensor> EmbeddingModel::dense_tensors(std::size_t i) const {
  const Linear& linear = directory_.dense[i].linear;
  std::vector<NamedTensor> tensors = {{"linear.weight", linear.weight.detach()}};
  if (linear.bias.defined()) tensors.push_back({"linear.bias", linear.bias.detach()});
  return tensors;
}

std::shared_ptr<EmbeddingModel> EmbeddingModel::load(const std::string& directory,
                                                     const at::Device& device,
                                                     const std::string& base) {
  ModelDirectory description = read_model_directory(directory, base);
  Weights weights = Weights::from_directory(description.transformer_path);
  return std::shared_ptr<EmbeddingModel>(
      new EmbeddingModel(std::move(description), std::move(weights), device));
}

at::Tensor EmbeddingModel::embed(const PackedTokens& tokens, const ForwardOptions& options) const {
  const c10::DeviceGuard on_device(device_);  // kernels are launched on the current one
  const bool has_dense = !directory_.dense.empty();
  at::Tensor vectors = pool(encoder_->forward(tokens, options).to(at::kFloat), tokens,
                            directory_.pooling, directory_.normalize && !has_dense);
  for (const Dense& dense : directory_.dense) vectors = apply_dense(dense, vectors);
  return directory_.normalize && has_dense ? normalized(vectors) : vectors;
}

void EmbeddingModel::enable_working_copy() {
  parameters_->enable_working_copy();
  for (const LinearModule& module : encoder_->linear_modules()) {
    Linear& layer = *module.layer;
    layer.working = parameters_->working_copy_of(layer.weight);
    if (layer.bias.defined()) layer.working_bias = parameters_->working_copy_of(layer.bias);
  }
}

void EmbeddingModel::set_max_length(int max_length) {
  if (max_length < 3 || max_length > encoder_->max_positions())
    throw_error(ErrorKind::kConfig, "max_length ", max_length, ": ", directory_.path,
                " takes 3 to ", encoder_->max_positions(), " tokens");
  directory_.max_length = max_length;
}

Fingerprint EmbeddingModel::encoder_fingerprint() const {
  Sha256 hash;
  for (std::size_t i = 0; i < encoder_parameters_; ++i)
    update(hash, parameters_->get(parameters_->specs()[i].name));
  return hash.hex();
}

Fingerprint EmbeddingModel::fingerprint() const {
  Sha256 hash;
  const std::size_t written = parameters_->specs().size() - 2 * lora_.modules.size();
  for (const bool decay : {true, false})  // as the arena of a freshly loaded model lies
    for (std::size_t i = 0; i < written; ++i) {
      const ParameterSpec& spec = parameters_->specs()[i];
      if (spec.decay == decay) update(hash, whole_value(spec));
    }
  Json config = directory_.config;  // less what says nothing of the vectors
  for (const char* key : {"_name_or_path", "transformers_version", "torch_dtype", "dtype"})
    config.erase(key);
  hash.update(config.dump()).update(tokenizer_->fingerprint());
  for (PoolingMode mode : directory_.pooling) hash.update(pooling_name(mode));
  for (const Dense& dense : directory_.dense) hash.update(dense_json(dense).dump());
  return hash
      .update(str_cat(directory_.normalize, directory_.include_prompt, directory_.max_length, "\n",
                      directory_.prompts.document))
      .hex();
}

TokenizedTexts EmbeddingModel::tokenize(const std::string& prompt,
                                        std::span<const std::string_view> texts,
                                        int threads) const {
  TokenizedTexts tokenized = tokenizer_->encode_batch(prompt, texts, max_length(), threads);
  for (std::int64_t i = 0; i < tokenized.num_texts(); ++i)
    if (tokenized[i].empty())
      throw_error(ErrorKind::kData, directory_.transformer_path, ": text ", i + 1,
                  " gives no token, and this tokenizer adds none");
  return tokenized;
}

int EmbeddingModel::unpooled_tokens(const std::string& prompt) const {
  if (directory_.include_prompt || prompt.empty()) return 0;
  return tokenizer_->prompt_tokens(prompt, max_length());
}

}  // namespace attune
