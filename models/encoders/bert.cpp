#include "models/encoders/bert.h"

#include "models/activation.h"

namespace attune {

void read_bert_fields(ConfigFields& fields, PostNormConfig& c) {
  fields.read_int("vocab_size", 1, 10'000'000, c.vocabulary);
  fields.read_int("hidden_size", 1, 16'384, c.width);
  fields.read_int("num_hidden_layers", 0, 1'000, c.layers);
  fields.read_int("num_attention_heads", 1, 1'024, c.heads);
  fields.read_int("intermediate_size", 1, 131'072, c.inner);
  fields.read_int("max_position_embeddings", 2, 1'000'000, c.positions);
  fields.read_number("hidden_dropout_prob", 1, c.dropout);
  fields.read_number("attention_probs_dropout_prob", 1, c.attention_dropout);
  fields.read_number("layer_norm_eps", 1, c.epsilon);
  fields.read_choice("hidden_act", activation_names(), c.activation);
  fields.only("position_embedding_type", "\"absolute\"");
  fields.only("is_decoder", "false");
  fields.only("add_cross_attention", "false");
}

EncoderPlan plan_bert(const Json& json, const std::string& config_path) {
  PostNormConfig config;  // transformers' defaults of BertConfig
  ConfigFields fields(json, config_path);
  read_bert_fields(fields, config);
  fields.read_int("type_vocab_size", 1, 10'000, config.token_types);
  fields.read_int("pad_token_id", 0, 10'000'000, config.padding_token);
  check_post_norm(config, fields);
  fields.finish();
  return plan_post_norm(config, "bert.", "cls.predictions.decoder.weight");
}

}  // namespace attune
