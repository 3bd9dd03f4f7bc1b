#include "models/embedding_model.h"

#include <algorithm>
#include <filesystem>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

#include "core/error.h"

namespace attune {
namespace {

// "bert.embeddings..." and "embeddings..." are the same model; files of both kinds are about.
void strip_prefix(Weights& weights, const std::string& prefix) {
  std::vector<std::string> prefixed;
  for (const auto& [name, entry] : weights.entries())
    if (name.starts_with(prefix)) prefixed.push_back(name);
  for (const std::string& name : prefixed) weights.rename(name, name.substr(prefix.size()));
}

}  // namespace

EmbeddingModel::EmbeddingModel(ModelDirectory directory, Weights weights, const at::Device& device)
    : directory_(std::move(directory)), weights_(std::move(weights)), device_(device) {
  const std::string config_path =
      (std::filesystem::path(directory_.transformer_path) / "config.json").string();
  EncoderPlan plan = plan_encoder(directory_.config, config_path);
  strip_prefix(weights_, plan.weight_prefix);
  parameters_ = std::make_unique<ParameterStore>(std::move(plan.parameters), weights_,
                                                 directory_.transformer_path, device_);
  encoder_ = plan.build(*parameters_);
  tokenizer_ = load_tokenizer(directory_.transformer_path);
  if (tokenizer_->vocabulary_size() > encoder_->vocabulary_size())
    throw_error(ErrorKind::kData, directory_.transformer_path, ": the tokenizer has ",
                tokenizer_->vocabulary_size(), " tokens, the model's embedding only ",
                encoder_->vocabulary_size(), " rows: they belong to different models");
  if (directory_.max_length == 0 || directory_.max_length > encoder_->max_positions())
    directory_.max_length = encoder_->max_positions();
}

std::shared_ptr<EmbeddingModel> EmbeddingModel::load(const std::string& directory,
                                                     const at::Device& device) {
  ModelDirectory description = read_model_directory(directory);
  Weights weights = Weights::from_directory(description.transformer_path);
  return std::shared_ptr<EmbeddingModel>(
      new EmbeddingModel(std::move(description), std::move(weights), device));
}

at::Tensor EmbeddingModel::embed(const PackedTokens& tokens, const ForwardOptions& options) const {
  const at::Tensor vectors =
      pool(encoder_->forward(tokens, options).to(at::kFloat), tokens, directory_.pooling);
  if (!directory_.normalize) return vectors;
  return vectors / at::linalg_vector_norm(vectors, 2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

void EmbeddingModel::set_max_length(int max_length) {
  if (max_length < 3 || max_length > encoder_->max_positions())
    throw_error(ErrorKind::kConfig, "max_length ", max_length, ": ", directory_.path,
                " takes 3 to ", encoder_->max_positions(), " tokens");
  directory_.max_length = max_length;
}

Fingerprint EmbeddingModel::fingerprint() const {
  Sha256 hash;
  const at::Tensor values = parameters_->values().to(at::kCPU);
  hash.update(std::span(static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()));
  Json config = directory_.config;  // less what says nothing of the vectors
  for (const char* key : {"_name_or_path", "transformers_version", "torch_dtype", "dtype"})
    config.erase(key);
  hash.update(config.dump()).update(tokenizer_->fingerprint());
  for (PoolingMode mode : directory_.pooling) hash.update(pooling_name(mode));
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
