// Tokenizer, encoder, pooling, normalisation and prompts of one model: text in, vectors out.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>
#include <attune/base_embedding.h>

#include "core/hash.h"
#include "data/tokenizers/tokenizer.h"
#include "models/encoders/encoder.h"
#include "models/model_directory.h"

namespace attune {

class EmbeddingModel {
 public:
  // Reads DIR whole and checks it; see ModelDirectory, Weights and Tokenizer for what is refused.
  static std::shared_ptr<EmbeddingModel> load(const std::string& directory,
                                              const at::Device& device);

  // [num_sequences, dimension()] fp32, normalised if the model says so. Differentiable.
  // Thread-safe.
  at::Tensor embed(const PackedTokens& tokens, const ForwardOptions& options) const;

  // Ids of the role's prompt and each text, cut to max_length(). threads 0: all cores.
  TokenizedTexts tokenize(Role role, std::span<const std::string_view> texts,
                          int threads = 0) const {
    return tokenize(prompt(role), texts, threads);
  }
  TokenizedTexts tokenize(const std::string& prompt, std::span<const std::string_view> texts,
                          int threads = 0) const;
  // Leading tokens of such a sequence that pooling leaves out: the prompt's, if the model says so.
  int unpooled_tokens(Role role) const { return unpooled_tokens(prompt(role)); }
  int unpooled_tokens(const std::string& prompt) const;

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const ModelDirectory& directory() const { return directory_; }
  const std::string& prompt(Role role) const {
    return role == Role::kQuery ? directory_.prompts.query : directory_.prompts.document;
  }
  int dimension() const {
    return encoder_->hidden_size() * static_cast<int>(directory_.pooling.size());
  }
  int max_length() const { return directory_.max_length; }
  const at::Device& device() const { return device_; }
  // SHA-256 of weights, config, tokenizer, pooling, length and document prompt as they are now.
  Fingerprint fingerprint() const;

  // What training may change. Prompts and length become part of the saved model.
  ParameterStore& parameters() { return *parameters_; }
  const ParameterStore& parameters() const { return *parameters_; }
  void set_prompts(const Prompts& prompts) { directory_.prompts = prompts; }
  // For serving only: forwards of this type get faster, and the parameters must not change any
  // more.
  void pack_weights(at::ScalarType products) { encoder_->pack_weights(products); }
  void set_max_length(int max_length);  // Error{kConfig} above the model's positions
  // Tensors of the checkpoint that the forward does not use (BERT's pooler): written back
  // unchanged.
  const Weights& weights() const { return weights_; }

 private:
  EmbeddingModel(ModelDirectory directory, Weights weights, const at::Device& device);
  ModelDirectory directory_;
  Weights weights_;
  at::Device device_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<ParameterStore> parameters_;
  std::unique_ptr<Encoder> encoder_;
};

}  // namespace attune
