#include "models/encoders/distilbert.h"

#include "models/activation.h"

namespace attune {
namespace {

const PostNormNames kNames = {"transformer.layer", "attention.q_lin",   "attention.k_lin",
                              "attention.v_lin",   "attention.qkv_lin", "attention.out_lin",
                              "sa_layer_norm",     "ffn.lin1",          "ffn.lin2",
                              "output_layer_norm"};

}  // namespace

EncoderPlan plan_distilbert(const Json& json, const std::string& config_path) {
  PostNormConfig config;  // transformers' defaults of DistilBertConfig
  config.layers = 6;
  config.token_types = 0;
  config.epsilon = 1e-12;  // not a field of its config.json
  config.names = kNames;
  ConfigFields fields(json, config_path);
  fields.read_int("vocab_size", 1, 10'000'000, config.vocabulary);
  fields.read_int("dim", 1, 16'384, config.width);
  fields.read_int("n_layers", 0, 1'000, config.layers);
  fields.read_int("n_heads", 1, 1'024, config.heads);
  fields.read_int("hidden_dim", 1, 131'072, config.inner);
  fields.read_int("max_position_embeddings", 2, 1'000'000, config.positions);
  fields.read_int("pad_token_id", 0, 10'000'000, config.padding_token);
  fields.read_number("dropout", 1, config.dropout);
  fields.read_number("attention_dropout", 1, config.attention_dropout);
  fields.read_choice("activation", activation_names(), config.activation);
  // Sinusoids were only where its positions began: the file holds them as any other table, and
  // transformers trains them.
  bool sinusoidal = false;
  fields.read_bool("sinusoidal_pos_embds", sinusoidal);
  check_post_norm(config, fields);
  fields.finish();
  return plan_post_norm(config, "distilbert.", "vocab_projector.weight");
}

}  // namespace attune
