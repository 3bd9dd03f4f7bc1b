#include "models/encoders/mpnet.h"

#include "models/encoders/bert.h"

namespace attune {
namespace {

constexpr int kBuckets = 32;  // transformers computes these, whatever config.json says

}  // namespace

EncoderPlan plan_mpnet(const Json& json, const std::string& config_path) {
  PostNormConfig config;  // transformers' defaults of MPNetConfig
  config.vocabulary = 30527;
  config.token_types = 0;
  config.padding_token = 1;  // fixed in transformers' code
  config.positions_after_padding = true;
  config.distance_buckets = kBuckets;
  config.names.query = "attention.attn.q";
  config.names.key = "attention.attn.k";
  config.names.value = "attention.attn.v";
  config.names.stacked = "attention.attn.qkv";
  config.names.attention_output = "attention.attn.o";
  config.names.attention_norm = "attention.LayerNorm";
  ConfigFields fields(json, config_path);
  read_bert_fields(fields, config);
  fields.only("relative_attention_num_buckets", "32");
  check_post_norm(config, fields);
  fields.finish();
  return plan_post_norm(config, "mpnet.", "lm_head.decoder.weight");
}

}  // namespace attune
