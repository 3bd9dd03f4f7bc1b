#include "models/encoders/roberta.h"

#include "models/encoders/bert.h"

namespace attune {

EncoderPlan plan_roberta(const Json& json, const std::string& config_path) {
  PostNormConfig config;  // transformers' defaults of RobertaConfig
  config.vocabulary = 50265;
  config.padding_token = 1;
  config.positions_after_padding = true;
  ConfigFields fields(json, config_path);
  read_bert_fields(fields, config);
  fields.read_int("type_vocab_size", 1, 10'000, config.token_types);
  fields.read_int("pad_token_id", 0, 10'000'000, config.padding_token);
  check_post_norm(config, fields);
  fields.finish();
  return plan_post_norm(config, "roberta.", "lm_head.decoder.weight");
}

}  // namespace attune
