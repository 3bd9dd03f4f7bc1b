// What the families with rotary positions read from config.json, and what they refuse. That they
// compute the right thing is shown beside transformers: scripts/parity --only families.
#include <algorithm>

#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "models/encoders/encoder.h"

namespace attune {
namespace {

// "name [rows, columns]" of every stored tensor.
std::vector<std::string> stored(const Json& config) {
  std::vector<std::string> names;
  for (const ParameterSpec& spec : plan_encoder(config, "config.json").parameters)
    for (std::size_t i = 0; i < spec.stored_names.size(); ++i) {
      const std::int64_t rows = spec.stored_rows.empty()
                                    ? spec.shape[0] / std::ssize(spec.stored_names)
                                    : spec.stored_rows[i];
      names.push_back(str_cat(spec.stored_names[i], " [", rows,
                              spec.shape.size() > 1 ? str_cat(", ", spec.shape[1]) : "", "]"));
    }
  return names;
}

void expect_stored(const Json& config, const std::vector<std::string>& some) {
  const std::vector<std::string> all = stored(config);
  for (const std::string& name : some)
    EXPECT_NE(std::find(all.begin(), all.end(), name), all.end()) << name;
}

TEST(RotaryFamilies, DefaultsAreThoseOfThePublishedModels) {
  expect_stored({{"model_type", "modernbert"}},
                {"embeddings.tok_embeddings.weight [50368, 768]", "embeddings.norm.weight [768]",
                 "layers.0.attn.Wqkv.weight [2304, 768]", "layers.1.attn_norm.weight [768]",
                 "layers.21.mlp.Wi.weight [2304, 768]", "layers.21.mlp.Wo.weight [768, 1152]",
                 "final_norm.weight [768]"});
  EXPECT_EQ(stored({{"model_type", "modernbert"}})[2], "layers.0.attn.Wqkv.weight [2304, 768]")
      << "the first layer has no norm before attention";
  expect_stored(
      {{"model_type", "qwen3"},
       {"hidden_size", 1024},
       {"num_attention_heads", 16},
       {"num_key_value_heads", 8},
       {"num_hidden_layers", 28},
       {"intermediate_size", 3072}},
      {"embed_tokens.weight [151936, 1024]", "layers.0.self_attn.q_proj.weight [2048, 1024]",
       "layers.0.self_attn.k_proj.weight [1024, 1024]",
       "layers.27.self_attn.v_proj.weight [1024, 1024]",
       "layers.27.self_attn.o_proj.weight [1024, 2048]", "layers.27.self_attn.k_norm.weight [128]",
       "norm.weight [1024]"});
  expect_stored({{"model_type", "gemma3_text"},
                 {"hidden_size", 768},
                 {"num_attention_heads", 3},
                 {"num_key_value_heads", 1},
                 {"num_hidden_layers", 24},
                 {"intermediate_size", 1152}},
                {"layers.23.self_attn.q_proj.weight [768, 768]",
                 "layers.23.self_attn.k_proj.weight [256, 768]",
                 "layers.0.post_feedforward_layernorm.weight [768]",
                 "layers.0.mlp.gate_proj.weight [1152, 768]"});
  expect_stored({{"model_type", "eurobert"}},
                {"layers.11.mlp.up_proj.weight [3072, 768]", "norm.weight [768]"});
  expect_stored(
      {{"model_type", "nomic_bert"}, {"n_embd", 768}},
      {"emb_ln.bias [768]", "encoder.layers.11.attn.Wqkv.weight [2304, 768]",
       "encoder.layers.11.mlp.fc12.weight [3072, 768]", "encoder.layers.0.norm2.bias [768]"});
  expect_stored({{"model_type", "new"}, {"type_vocab_size", 0}},
                {"encoder.layer.11.attention.qkv_proj.bias [2304]",
                 "encoder.layer.0.mlp.up_gate_proj.weight [6144, 768]",
                 "encoder.layer.0.mlp.down_proj.bias [768]", "encoder.layer.0.attn_ln.bias [768]"});
  expect_stored({{"model_type", "new"}, {"pack_qkv", false}},
                {"encoder.layer.0.attention.k_proj.weight [768, 768]",
                 "embeddings.token_type_embeddings.weight [1, 768]"});
}

TEST(RotaryFamilies, WhatIsNotImplementedIsRefusedByName) {
  const auto refused = [](const char* type, const Json& more, const std::string& part) {
    Json config = more;
    config["model_type"] = type;
    try {
      plan_encoder(config, "DIR/config.json");
      ADD_FAILURE() << config.dump();
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("DIR/config.json"), std::string::npos);
    }
  };
  refused("modernbert", {{"norm_bias", true}}, "\"norm_bias\" is true, supported: false");
  refused("modernbert", {{"hidden_activation", "relu"}}, "supported: gelu");
  refused("modernbert", {{"num_attention_heads", 7}}, "heads must divide the width");
  refused("modernbert", {{"layer_types", Json::array({"full_attention"})}}, "each of 22 layers");
  refused("modernbert", {{"layer_types", "full_attention"}}, "layer_types");
  refused("modernbert", {{"rope_parameters", {{"rope_type", "default"}}}},
          "expected \"full_attention\" and \"sliding_attention\"");
  refused("modernbert", {{"local_attention", 0}}, "\"local_attention\" is 0");
  refused("modernbert", {{"global_rope_theta", -1}}, "global_rope_theta");
  refused("modernbert", {{"pad_token_id", 60'000}}, "not in the vocabulary");
  refused("qwen3", {{"num_key_value_heads", 5}}, "cannot share 5 key heads");
  refused("qwen3", {{"head_dim", 512}}, "\"head_dim\" is 512");
  refused("qwen3", {{"head_dim", 33}}, "even count");
  refused("qwen3", {{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 4.0}}}},
          "kind 'yarn' is not supported");
  refused("qwen3", {{"hidden_act", "gelu_fast"}}, "hidden_act");
  refused("qwen3", {{"num_hidden_layers", 1}, {"layer_types", Json::array({"linear_attention"})}},
          "\"linear_attention\" is not supported");
  refused("gemma3_text", {{"attn_logit_softcapping", 50.0}}, "attn_logit_softcapping");
  refused("gemma3_text", {{"query_pre_attn_scalar", 0}}, "query_pre_attn_scalar");
  refused("gemma3_text", {{"use_bidirectional_attention", "yes"}}, "expected true or false");
  refused("eurobert", {{"rms_norm_eps", "small"}}, "rms_norm_eps");
  refused("eurobert", {{"vocab_size", 0}}, "vocab_size");
  refused("nomic_bert", {{"n_embd", 768}, {"moe_every_n_layers", 2}}, "mixtures of experts");
  refused("nomic_bert", {{"n_embd", 768}, {"prenorm", true}}, "\"prenorm\" is true");
  refused("nomic_bert", {{"n_embd", 768}, {"activation_function", "gelu"}}, "supported: swiglu");
  refused("nomic_bert", {{"n_embd", 768}, {"rotary_emb_scale_base", 512}}, "rotary_emb_scale_base");
  refused("nomic_bert", {{"n_embd", 768}, {"embd_pdrop", 0.1}}, "embd_pdrop");
  refused("nomic_bert", {{"head_dim", 32}}, "\"head_dim\" is 32");
  refused("new", {{"rope_scaling", {{"type", "ntk"}, {"factor", 2}, {"mixed_b", 0.3}}}}, "mixed_b");
  refused("new", {{"rope_scaling", {{"type", "ntk"}}}}, "\"factor\" is missing");
  refused("new", {{"position_embedding_type", "absolute"}}, "position_embedding_type");
  refused("gte", {{"logn_attention_scale", true}}, "logn_attention_scale");
}

// A rotary_scaling_factor changes angles beyond the trained positions alone: texts are cut there.
TEST(RotaryFamilies, NomicsScalingLimitsTheLength) {
  Json config = {{"model_type", "nomic_bert"},
                 {"n_embd", 8},
                 {"n_head", 2},
                 {"n_inner", 4},
                 {"n_layer", 0},
                 {"vocab_size", 3},
                 {"n_positions", 8192}};
  const auto longest = [](const Json& json) {
    EncoderPlan plan = plan_encoder(json, "config.json");
    std::vector<NamedTensor> tensors;
    for (const ParameterSpec& spec : plan.parameters)
      tensors.push_back({spec.name, at::zeros(spec.shape)});
    return plan.build(ParameterStore(tensors, true))->max_positions();
  };
  EXPECT_EQ(longest(config), 8192);
  config["rotary_scaling_factor"] = 2;
  EXPECT_EQ(longest(config), 2048);
}

}  // namespace
}  // namespace attune
