#include "models/encoders/modernbert.h"

#include "models/encoders/pre_norm.h"

namespace attune {
namespace {

PreNormConfig modernbert_defaults() {  // of transformers' ModernBertConfig
  PreNormConfig c;
  c.vocabulary = 50368;
  c.width = 768;
  c.inner = 1152;
  c.layers = 22;
  c.heads = 12;
  c.positions = 8192;
  c.padding_token = 50283;
  c.epsilon = 1e-5;
  c.embedding_dropout = c.attention_output_dropout = c.mlp_dropout = 0;
  c.layer_norm = true;
  c.first_attention_norm = false;
  c.activation = "gelu";
  c.names.words = "embeddings.tok_embeddings";
  c.names.embedding_norm = "embeddings.norm";
  c.names.final_norm = "final_norm";
  c.names.attention_norm = "attn_norm";
  c.names.mlp_norm = "mlp_norm";
  c.names.qkv = {"attn.Wqkv"};
  c.names.gate_up = {"mlp.Wi"};
  c.names.attention_output = "attn.Wo";
  c.names.down = "mlp.Wo";
  return c;
}

}  // namespace

EncoderPlan plan_modernbert(const Json& json, const std::string& config_path) {
  PreNormConfig c = modernbert_defaults();
  int local_attention = 128, every = 3;
  ConfigFields fields(json, config_path);
  fields.read_int("vocab_size", 1, 10'000'000, c.vocabulary);
  fields.read_int("hidden_size", 1, 16'384, c.width);
  fields.read_int("intermediate_size", 1, 131'072, c.inner);
  fields.read_int("num_hidden_layers", 0, 1'000, c.layers);
  fields.read_int("num_attention_heads", 1, 1'024, c.heads);
  fields.read_int("max_position_embeddings", 2, 10'000'000, c.positions);
  fields.read_int("pad_token_id", 0, 10'000'000, c.padding_token);
  fields.read_int("local_attention", 1, 10'000'000, local_attention);
  fields.read_int("global_attn_every_n_layers", 1, 1'000, every);
  fields.read_number("norm_eps", 1, c.epsilon);
  fields.read_number("embedding_dropout", 1, c.embedding_dropout);
  fields.read_number("attention_dropout", 1, c.attention_dropout);
  fields.read_number("mlp_dropout", 1, c.mlp_dropout);
  c.attention_output_dropout = c.attention_dropout;
  fields.read_bool("attention_bias", c.attention_bias);
  fields.read_bool("mlp_bias", c.mlp_bias);
  fields.only("norm_bias", "false");
  fields.read_choice("hidden_activation", glu_activations(), c.activation);
  c.kv_heads = c.heads;
  c.head_dim = c.width / c.heads;
  fields.expect(c.width % c.heads == 0, "width ", c.width, " and ", c.heads,
                " attention heads: heads must divide the width");
  check_pre_norm(c, fields);
  const std::vector<bool> sliding =
      read_sliding_layers(fields, c.layers, [](int i, int n) { return i % n != 0; }, every);
  c.kind_of_layer.assign(sliding.begin(), sliding.end());
  c.kinds = read_rotary_kinds(fields, c.head_dim,
                              {"global_rope_theta", 160'000, "local_rope_theta", 10'000});
  c.kinds[1].left = c.kinds[1].right = local_attention / 2;
  fields.finish();
  return plan_pre_norm(c, "model.");
}

}  // namespace attune
