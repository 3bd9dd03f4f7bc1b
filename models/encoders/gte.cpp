#include "models/encoders/gte.h"

#include "models/encoders/rotary_bert.h"

namespace attune {
namespace {

RotaryBertConfig defaults(bool published) {  // of transformers' GteConfig, or Alibaba's NewConfig
  RotaryBertConfig c;
  c.vocabulary = published ? 30'528 : 250'048;
  c.positions = published ? 2048 : 8192;
  c.padding_token = published ? 0 : 1;
  c.token_types = 1;
  c.dropout = 0.1;
  c.inner_dropout = true;
  c.attention_bias = c.down_bias = true;
  c.activation = "gelu";
  c.names = {"embeddings.LayerNorm", "encoder.layer", {"attention.qkv_proj"}, {"mlp.up_gate_proj"},
             "attention.o_proj",     "attn_ln",       "mlp.down_proj",        "mlp_ln"};
  return c;
}

}  // namespace

EncoderPlan plan_gte(const Json& json, const std::string& config_path) {
  const bool published = json["model_type"] == "new";
  RotaryBertConfig c = defaults(published);
  ConfigFields fields(json, config_path);
  fields.read_int("vocab_size", 1, 10'000'000, c.vocabulary);
  fields.read_int("hidden_size", 1, 16'384, c.width);
  fields.read_int("num_hidden_layers", 0, 1'000, c.layers);
  fields.read_int("num_attention_heads", 1, 1'024, c.heads);
  fields.read_int("intermediate_size", 1, 131'072, c.inner);
  fields.read_int("max_position_embeddings", 2, 10'000'000, c.positions);
  fields.read_int("type_vocab_size", 0, 10'000, c.token_types);
  fields.read_int("pad_token_id", 0, 10'000'000, c.padding_token);
  fields.read_number("hidden_dropout_prob", 1, c.dropout);
  fields.read_number("attention_probs_dropout_prob", 1, c.attention_dropout);
  fields.read_number("layer_norm_eps", 1, c.epsilon);
  fields.read_choice("hidden_act", glu_activations(), c.activation);
  for (const auto& [key, value] : {std::pair{"position_embedding_type", "\"rope\""},
                                   {"layer_norm_type", "\"layer_norm\""},
                                   {"logn_attention_scale", "false"},
                                   {"logn_attention_clip1", "false"}})
    fields.only(key, value);
  bool packed = true;
  fields.read_bool("pack_qkv", packed);
  if (!packed) c.names.qkv = {"attention.q_proj", "attention.k_proj", "attention.v_proj"};
  if (fields.has("rope_scaling"))
    fields.expect(
        !fields["rope_scaling"].contains("mixed_b") || fields["rope_scaling"]["mixed_b"].is_null(),
        "\"rope_scaling\": \"mixed_b\" is not supported");
  c.rotary = read_rotary(fields, published ? 10'000 : 160'000, c.width / c.heads);
  check_rotary_bert(c, fields);
  fields.finish();
  return plan_rotary_bert(c, "new.");
}

}  // namespace attune
