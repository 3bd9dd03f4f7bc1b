#include "models/encoders/gemma3.h"

#include <cmath>

#include "models/encoders/pre_norm.h"

namespace attune {
namespace {

PreNormConfig gemma3_defaults() {  // of transformers' Gemma3TextConfig
  PreNormConfig c;
  c.vocabulary = 262'208;
  c.width = 2304;
  c.inner = 9216;
  c.layers = 26;
  c.heads = 8;
  c.head_dim = 256;
  c.positions = 131'072;
  c.padding_token = 0;
  c.norm_offset = 1;
  c.activation = "gelu_pytorch_tanh";
  c.names.after_attention = "post_attention_layernorm";
  c.names.mlp_norm = "pre_feedforward_layernorm";
  c.names.after_mlp = "post_feedforward_layernorm";
  c.names.query_norm = "self_attn.q_norm";
  c.names.key_norm = "self_attn.k_norm";
  return c;
}

}  // namespace

EncoderPlan plan_gemma3(const Json& json, const std::string& config_path) {
  PreNormConfig c = gemma3_defaults();
  bool both_ways = false;
  int window = 4096, pattern = 6;
  double scale_width = 256;
  ConfigFields fields(json, config_path);
  read_llama_fields(fields, c);
  if (!fields.has("num_key_value_heads")) c.kv_heads = 4;
  fields.read_choice("hidden_activation", glu_activations(), c.activation);
  fields.read_bool("use_bidirectional_attention", both_ways);
  fields.read_int("sliding_window", 1, 10'000'000, window);
  fields.read_int("sliding_window_pattern", 1, 1'000, pattern);
  fields.read_number("query_pre_attn_scalar", 1e6, scale_width);
  fields.expect(scale_width > 0, "\"query_pre_attn_scalar\" is 0, expected a number above 0");
  fields.only("attn_logit_softcapping", "null");
  c.attention_scale = 1 / std::sqrt(scale_width);
  c.embedding_scale = std::sqrt(static_cast<float>(c.width));
  check_pre_norm(c, fields);
  const std::vector<bool> sliding =
      read_sliding_layers(fields, c.layers, [](int i, int n) { return (i + 1) % n != 0; }, pattern);
  c.kind_of_layer.assign(sliding.begin(), sliding.end());
  c.kinds = read_rotary_kinds(fields, c.head_dim,
                              {"rope_theta", 1'000'000, "rope_local_base_freq", 10'000,
                               /*scaling_of_local=*/false});
  if (both_ways) {
    c.kinds[1].left = c.kinds[1].right = window / 2;
  } else {
    c.kinds[0].right = c.kinds[1].right = 0;
    c.kinds[1].left = window - 1;
  }
  fields.finish();
  return plan_pre_norm(c, "model.");
}

}  // namespace attune
