// BERT's body (LayerNorm after each residual sum) with rotary positions instead of learned ones and
// a gated feed-forward part: Nomic's and Alibaba's GTE models. What sets them apart are names of
// tensors and the numbers below.
#pragma once

#include <string>
#include <vector>

#include "models/encoders/encoder.h"
#include "models/encoders/parameter_plan.h"
#include "models/glu.h"
#include "models/rotary.h"
#include "models/token_embedding.h"

namespace attune {

// Of tensors without ".weight" and ".bias"; those of a layer stand behind "<layers>.<index>.".
struct RotaryBertNames {
  std::string embedding_norm, layers;
  std::vector<std::string> qkv;      // one stored tensor, or query, key, value
  std::vector<std::string> up_gate;  // one, or up, gate; the gate is what is activated
  std::string attention_output, attention_norm, down, output_norm;
};

struct RotaryBertConfig {
  int vocabulary = 0, width = 768, layers = 12, heads = 12, inner = 3072, positions = 0;
  int token_types = 0;    // 0: none
  int padding_token = 0;  // its row of the word embeddings gets no gradient
  double dropout = 0, attention_dropout = 0, epsilon = 1e-12;
  bool inner_dropout = false;  // of the gated product too
  bool attention_bias = false, up_gate_bias = false, down_bias = false;
  std::string activation = "silu";
  RotaryFrequencies rotary;
  RotaryBertNames names;
};

// Heads that do not divide the width, parts wider than the kernels take.
void check_rotary_bert(const RotaryBertConfig& config, ConfigFields& fields);

class RotaryBertEncoder : public Encoder {
 public:
  RotaryBertEncoder(const RotaryBertConfig& config, const ParameterStore& parameters);
  at::Tensor forward(const PackedTokens& tokens, const ForwardOptions& options) const override;
  void pack_weights(at::ScalarType products) override;
  // By the names of transformers' modules: "layers.0.self_attn.q_proj", "layers.0.mlp.up_proj".
  std::vector<LinearModule> linear_modules() override;
  int num_layers() const override { return config_.layers; }
  int hidden_size() const override { return config_.width; }
  int max_positions() const override { return config_.positions; }
  int vocabulary_size() const override { return config_.vocabulary; }

 private:
  struct Layer {
    Linear qkv, attention_output, up_gate, down;
    LayerNorm attention_norm, output_norm;
  };
  Stream layer_forward(const Stream& stream, int index, const RotaryAngles& angles,
                       const PackedTokens& tokens, const ForwardOptions& options) const;

  RotaryBertConfig config_;
  EmbeddingTables embeddings_;
  LayerNorm embedding_norm_;
  std::vector<Layer> layers_;
};

// The plan of a family that is this body; `prefix` as EncoderPlan::weight_prefix.
EncoderPlan plan_rotary_bert(const RotaryBertConfig& config, const std::string& prefix);

}  // namespace attune
