#include "models/encoders/nomic.h"

#include <algorithm>

#include "models/encoders/rotary_bert.h"

namespace attune {
namespace {

void read_sizes(ConfigFields& fields, RotaryBertConfig& c, const std::vector<const char*>& keys) {
  int* const values[] = {&c.width, &c.layers, &c.heads, &c.inner, &c.positions};
  const int least[] = {1, 0, 1, 1, 2}, most[] = {16'384, 1'000, 1'024, 131'072, 10'000'000};
  for (std::size_t i = 0; i < keys.size(); ++i)
    fields.read_int(keys[i], least[i], most[i], *values[i]);
}

// transformers' own fields.
void read_new(ConfigFields& fields, RotaryBertConfig& c) {
  read_sizes(fields, c,
             {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
              "max_position_embeddings"});
  int head_dim = c.width / c.heads;
  fields.read_int("head_dim", 2, 256, head_dim);
  fields.expect(head_dim * c.heads == c.width, "\"head_dim\" is ", head_dim,
                ", supported: hidden_size / num_attention_heads");
  fields.read_number("layer_norm_eps", 1, c.epsilon);
  fields.read_number("hidden_dropout_prob", 1, c.dropout);
  fields.read_number("attention_probs_dropout_prob", 1, c.attention_dropout);
  fields.read_choice("hidden_act", glu_activations(), c.activation);
  c.rotary = read_rotary(fields, 1000, head_dim);
}

// Those of nomic-ai's files, and what their code could do besides.
void read_published(ConfigFields& fields, RotaryBertConfig& c) {
  c.positions = 8192;
  read_sizes(fields, c, {"n_embd", "n_layer", "n_head", "n_inner", "n_positions"});
  for (const auto& [key, value] : {std::pair{"prenorm", "false"},
                                   {"parallel_block", "false"},
                                   {"causal", "false"},
                                   {"use_rms_norm", "false"},
                                   {"rotary_emb_scale_base", "null"},
                                   {"scale_attn_weights", "true"},
                                   {"scale_attn_by_inverse_layer_idx", "false"}})
    fields.only(key, value);
  int experts_every = 0, trained = 2048;
  fields.read_int("moe_every_n_layers", 0, 1'000, experts_every);
  fields.expect(experts_every == 0, "\"moe_every_n_layers\" is ", experts_every,
                ": mixtures of experts are not supported");
  fields.read_number("layer_norm_epsilon", 1, c.epsilon);
  fields.read_number("resid_pdrop", 1, c.dropout);
  double embedding_dropout = c.dropout;
  fields.read_number("embd_pdrop", 1, embedding_dropout);
  fields.expect(embedding_dropout == c.dropout, "\"embd_pdrop\" is ", embedding_dropout,
                ", supported: the value of \"resid_pdrop\", ", c.dropout);
  fields.read_number("attn_pdrop", 1, c.attention_dropout);
  fields.read_bool("qkv_proj_bias", c.attention_bias);
  fields.read_bool("mlp_fc1_bias", c.up_gate_bias);
  fields.read_bool("mlp_fc2_bias", c.down_bias);
  std::string activation = "swiglu";
  fields.read_choice("activation_function", {"swiglu", "geglu"}, activation);
  c.activation = activation == "geglu" ? "gelu" : "silu";
  double fraction = 1, theta = 1000;
  fields.read_number("rotary_emb_fraction", 1.0001, fraction);
  fields.read_number("rotary_emb_base", 1e12, theta);
  fields.read_int("max_trained_positions", 2, 10'000'000, trained);
  if (fields.has("rotary_scaling_factor")) c.positions = std::min(c.positions, trained);
  c.rotary = read_rotary(fields, "rotary_emb_base", Json(), std::max(theta, 1.0), c.width / c.heads,
                         fraction);
  fields.read_bool("rotary_emb_interleaved", c.rotary.interleaved);
}

}  // namespace

EncoderPlan plan_nomic(const Json& json, const std::string& config_path) {
  RotaryBertConfig c;  // transformers' defaults of NomicBertConfig
  c.vocabulary = 30'528;
  c.positions = 2048;
  c.token_types = 2;
  c.names = {"emb_ln",        "encoder.layers", {"attn.Wqkv"}, {"mlp.fc11", "mlp.fc12"},
             "attn.out_proj", "norm1",          "mlp.fc2",     "norm2"};
  ConfigFields fields(json, config_path);
  fields.read_int("vocab_size", 1, 10'000'000, c.vocabulary);
  fields.read_int("type_vocab_size", 0, 10'000, c.token_types);
  fields.read_int("pad_token_id", 0, 10'000'000, c.padding_token);
  if (fields.has("n_embd"))
    read_published(fields, c);
  else
    read_new(fields, c);
  check_rotary_bert(c, fields);
  fields.finish();
  return plan_rotary_bert(c, "nomic_bert.");
}

}  // namespace attune
