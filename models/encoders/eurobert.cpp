#include "models/encoders/eurobert.h"

#include "models/encoders/pre_norm.h"

namespace attune {

EncoderPlan plan_eurobert(const Json& json, const std::string& config_path) {
  PreNormConfig c;  // transformers' defaults of EuroBertConfig
  c.vocabulary = 128'256;
  c.width = 768;
  c.inner = 3072;
  c.layers = 12;
  c.heads = 12;
  c.positions = 8192;
  c.padding_token = 128'001;
  c.epsilon = 1e-5;
  ConfigFields fields(json, config_path);
  read_llama_fields(fields, c);
  fields.read_bool("mlp_bias", c.mlp_bias);
  fields.read_choice("hidden_act", glu_activations(), c.activation);
  check_pre_norm(c, fields);
  c.kind_of_layer.assign(c.layers, 0);
  c.kinds = {{read_rotary(fields, 10'000, c.head_dim)}};
  fields.finish();
  return plan_pre_norm(c, "model.");
}

}  // namespace attune
