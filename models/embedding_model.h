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
#include "models/lora.h"
#include "models/model_directory.h"

namespace attune {

class EmbeddingModel {
 public:
  // Reads DIR whole and checks it; see ModelDirectory, Weights and Tokenizer for what is refused.
  // A PEFT directory's matrices are merged into its base, `base` if it is given.
  static std::shared_ptr<EmbeddingModel> load(const std::string& directory,
                                              const at::Device& device,
                                              const std::string& base = "");

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
  const Encoder& encoder() const { return *encoder_; }
  const ModelDirectory& directory() const { return directory_; }
  const std::string& prompt(Role role) const {
    return role == Role::kQuery ? directory_.prompts.query : directory_.prompts.document;
  }
  int pooled_dimension() const {
    return encoder_->hidden_size() * static_cast<int>(directory_.pooling.size());
  }
  int dimension() const {
    return directory_.dense.empty() ? pooled_dimension()
                                    : static_cast<int>(directory_.dense.back().out_features);
  }
  int num_layers() const { return encoder_->num_layers(); }
  int max_length() const { return directory_.max_length; }
  const at::Device& device() const { return device_; }
  // SHA-256 of weights, config, tokenizer, pooling, length and document prompt as they are now:
  // that of the artifact that write_artifact() would write.
  Fingerprint fingerprint() const;
  // SHA-256 of the encoder's weights without LoRA's part: of the base, while LoRA is trained.
  Fingerprint encoder_fingerprint() const;

  // What training may change. Prompts and length become part of the saved model.
  ParameterStore& parameters() { return *parameters_; }
  const ParameterStore& parameters() const { return *parameters_; }
  void set_prompts(const Prompts& prompts) { directory_.prompts = prompts; }
  // LoRA for training: its matrices become parameters with the next parameters().select(), which
  // also decides that the weights themselves stay. Error{kData} with `place` where it does not fit.
  void add_lora(Lora lora, double dropout, const std::string& place);
  std::vector<LinearModule> linear_modules() const { return encoder_->linear_modules(); }
  // As it is now; rank 0: none, or merged already.
  const Lora& lora() const { return lora_; }
  // For serving only: forwards of this type get faster, and the parameters must not change any
  // more.
  void pack_weights(at::ScalarType products) { encoder_->pack_weights(products); }
  // For training in bf16 on a GPU: the linear layers read a copy of the weights in bf16, which the
  // parameters keep equal to them. After the last select().
  void enable_working_copy();
  void set_max_length(int max_length);  // Error{kConfig} above the model's positions
  // What an artifact holds, by the names of the files, LoRA merged into the weights: of the
  // encoder, or of Dense module i ("linear.weight").
  std::vector<NamedTensor> encoder_tensors() const;
  std::vector<NamedTensor> dense_tensors(std::size_t i) const;
  // Tensors of the checkpoint. Those that the forward does not use are written back unchanged
  // (BERT's pooler) but for left_out(): heads of tasks.
  const Weights& weights() const { return weights_; }
  const std::vector<std::string>& left_out() const { return left_out_; }

 private:
  EmbeddingModel(ModelDirectory directory, Weights weights, const at::Device& device);
  void add_dense();
  void merge_lora();
  // The parameter as written: LoRA merged.
  at::Tensor whole_value(const ParameterSpec& spec) const;

  ModelDirectory directory_;
  Weights weights_;
  std::vector<std::string> left_out_;
  at::Device device_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<ParameterStore> parameters_;
  std::unique_ptr<Encoder> encoder_;
  std::size_t encoder_parameters_ = 0;  // the first so many specs; then Dense modules, then LoRA
  Lora lora_;
};

}  // namespace attune
