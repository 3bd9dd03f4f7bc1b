// BERT (Devlin et al. 2018): learned positions, post-LayerNorm, erf GELU. Names of the fields are
// those of config.json, defaults those of transformers' BertConfig.
#pragma once

#include "models/attention.h"
#include "models/encoders/encoder.h"
#include "models/layer_norm.h"
#include "models/linear.h"
#include "models/token_embedding.h"

namespace attune {

struct BertConfig {
  int vocab_size = 30522, hidden_size = 768, num_hidden_layers = 12, num_attention_heads = 12;
  int intermediate_size = 3072, max_position_embeddings = 512, type_vocab_size = 2,
      pad_token_id = 0;
  double hidden_dropout_prob = 0.1, attention_probs_dropout_prob = 0.1, layer_norm_eps = 1e-12;
  std::string hidden_act = "gelu";

  // Refuses, with file and key: wrong types, sizes outside sane bounds, heads that do not divide
  // the width, activations and position kinds other than the ones implemented.
  static BertConfig from_json(const Json& json, const std::string& path);
};

class BertEncoder : public Encoder {
 public:
  BertEncoder(const BertConfig& config, const ParameterStore& parameters);
  at::Tensor forward(const PackedTokens& tokens, const ForwardOptions& options) const override;
  void pack_weights(at::ScalarType products) override;
  std::vector<LinearModule> linear_modules() override;
  int num_layers() const override { return config_.num_hidden_layers; }
  int hidden_size() const override { return config_.hidden_size; }
  int max_positions() const override { return config_.max_position_embeddings; }
  int vocabulary_size() const override { return config_.vocab_size; }

 private:
  struct Layer {
    Linear qkv, attention_output, intermediate, output;
    LayerNorm attention_norm, output_norm;
  };
  at::Tensor intermediate(const at::Tensor& x, const Linear& layer, const PackedTokens& tokens,
                          const ForwardOptions& options) const;
  Stream layer_forward(const Stream& stream, int index, const PackedTokens& tokens,
                       const ForwardOptions& options) const;

  BertConfig config_;
  EmbeddingTables embeddings_;
  LayerNorm embedding_norm_;
  std::vector<Layer> layers_;
};

EncoderPlan plan_bert(const Json& config, const std::string& config_path);

}  // namespace attune
