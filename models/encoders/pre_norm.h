// The body of later encoders and of language models made into encoders: the norm stands before
// attention and before the gated feed-forward part, positions are rotary, and after the last layer
// comes one norm more. What sets families apart are names of tensors and the numbers below.
#pragma once

#include <string>
#include <vector>

#include "models/encoders/config_fields.h"
#include "models/encoders/encoder.h"
#include "models/encoders/parameter_plan.h"
#include "models/glu.h"
#include "models/rms_norm.h"
#include "models/rotary.h"
#include "models/token_embedding.h"

namespace attune {

// Of tensors without ".weight" and ".bias"; those of a layer stand behind "layers.<index>.". An
// empty name: the family has no such tensor.
struct PreNormNames {
  std::string words = "embed_tokens", embedding_norm, final_norm = "norm";
  std::string attention_norm = "input_layernorm", mlp_norm = "post_attention_layernorm";
  std::string after_attention, after_mlp;  // of the part's output, before it is added
  // One stored tensor, or several stacked: query, key, value; gate, up.
  std::vector<std::string> qkv = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"};
  std::vector<std::string> gate_up = {"mlp.gate_proj", "mlp.up_proj"};
  std::string attention_output = "self_attn.o_proj", down = "mlp.down_proj";
  std::string query_norm, key_norm;  // of each head, before its turn
};

// A kind of layer: "full_attention", "sliding_attention".
struct PreNormLayers {
  RotaryFrequencies rotary;
  int left = -1, right = -1;  // keys seen before and behind a query; -1: all
};

struct PreNormConfig {
  int vocabulary = 0, width = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, inner = 0;
  int positions = 0;
  int padding_token = -1;  // its row of the word embeddings gets no gradient; -1: none
  double epsilon = 1e-6, attention_dropout = 0;
  // Of what few families have; below 0: not there, and train.dropout does not change it.
  double embedding_dropout = -1, attention_output_dropout = -1, mlp_dropout = -1;
  double embedding_scale = 1;
  double attention_scale = 0;  // 0: 1/sqrt(head_dim)
  double norm_offset = 0;      // added to the weights of every RMSNorm
  bool layer_norm = false;     // LayerNorm without bias instead of RMSNorm
  bool first_attention_norm = true;
  bool attention_bias = false, mlp_bias = false;
  std::string activation = "silu";
  std::vector<PreNormLayers> kinds;
  std::vector<int> kind_of_layer;  // index into kinds, one for each layer
  PreNormNames names;
};

// The fields that config.json of Llama's descendants shares: sizes, heads, RMSNorm, biases.
void read_llama_fields(ConfigFields& fields, PreNormConfig& config);

// "layer_types" (or `by_default` for each index): true for "sliding_attention". Others are
// mistakes.
std::vector<bool> read_sliding_layers(ConfigFields& fields, int layers,
                                      bool (*by_default)(int, int), int argument);

// Where config.json has the rotary bases of both kinds of layers: rope_parameters.full_attention
// and .sliding_attention, or these keys with rope_scaling, as before transformers 5.
struct RotaryKeys {
  const char* full;
  double full_default;
  const char* sliding;
  double sliding_default;
  bool scaling_of_sliding = true;  // rope_scaling is for both kinds
};
// {of full, of sliding layers}, both without windows.
std::vector<PreNormLayers> read_rotary_kinds(ConfigFields& fields, int head_dim,
                                             const RotaryKeys& keys);

// Heads that do not divide, head sizes that the kernels do not take.
void check_pre_norm(const PreNormConfig& config, ConfigFields& fields);

class PreNormEncoder : public Encoder {
 public:
  PreNormEncoder(const PreNormConfig& config, const ParameterStore& parameters);
  at::Tensor forward(const PackedTokens& tokens, const ForwardOptions& options) const override;
  void pack_weights(at::ScalarType products) override;
  std::vector<LinearModule> linear_modules() override;
  int num_layers() const override { return config_.layers; }
  int hidden_size() const override { return config_.width; }
  int max_positions() const override { return config_.positions; }
  int vocabulary_size() const override { return config_.vocabulary; }

 private:
  struct Layer {
    Linear qkv, attention_output, gate_up, down;
    at::Tensor attention_norm, mlp_norm, after_attention, after_mlp, query_norm, key_norm;
  };
  at::Tensor embed(const PackedTokens& tokens, const ForwardOptions& options) const;
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const;
  at::Tensor attend(const at::Tensor& x, int index, const RotaryAngles& angles,
                    const PackedTokens& tokens, const ForwardOptions& options) const;
  at::Tensor feed_forward(const at::Tensor& x, int index, const PackedTokens& tokens,
                          const ForwardOptions& options) const;
  // stream: the residual and its norm, which attention reads.
  Stream layer_forward(const Stream& stream, int index, const RotaryAngles& angles,
                       const PackedTokens& tokens, const ForwardOptions& options) const;

  PreNormConfig config_;
  EmbeddingTables embeddings_;
  at::Tensor embedding_norm_, final_norm_;
  std::vector<Layer> layers_;
};

// The plan of a family that is this body; `prefix` as EncoderPlan::weight_prefix.
EncoderPlan plan_pre_norm(const PreNormConfig& config, const std::string& prefix);

}  // namespace attune
