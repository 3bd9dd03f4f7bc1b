#include "models/encoders/qwen3.h"

#include "models/encoders/pre_norm.h"

namespace attune {

EncoderPlan plan_qwen3(const Json& json, const std::string& config_path) {
  PreNormConfig c;  // transformers' defaults of Qwen3Config
  c.vocabulary = 151'936;
  c.width = 4096;
  c.inner = 22'016;
  c.layers = 32;
  c.heads = 32;
  c.head_dim = 128;
  c.positions = 32'768;
  c.names.query_norm = "self_attn.q_norm";
  c.names.key_norm = "self_attn.k_norm";
  bool use_window = false, causal = true;
  int window = 4096, first_window_layer = 28;
  ConfigFields fields(json, config_path);
  read_llama_fields(fields, c);
  fields.read_choice("hidden_act", glu_activations(), c.activation);
  fields.read_bool("is_causal", causal);
  fields.read_bool("use_sliding_window", use_window);
  fields.read_int("sliding_window", 1, 10'000'000, window);
  fields.read_int("max_window_layers", 0, 1'000, first_window_layer);
  check_pre_norm(c, fields);
  const std::vector<bool> sliding = read_sliding_layers(
      fields, c.layers, [](int i, int first) { return i >= first; },
      use_window ? first_window_layer : c.layers);
  c.kind_of_layer.assign(sliding.begin(), sliding.end());
  const RotaryFrequencies rotary = read_rotary(fields, 10'000, c.head_dim);
  // A causal window counts the query itself, one that looks both ways does not.
  c.kinds = {{rotary, -1, causal ? 0 : -1},
             {rotary, causal ? window - 1 : window, causal ? 0 : window}};
  fields.finish();
  return plan_pre_norm(c, "model.");
}

}  // namespace attune
