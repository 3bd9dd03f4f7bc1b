// Low rank parts of linear layers against their definition, and PEFT directories.
#include "models/lora.h"

#include <cmath>
#include <functional>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/file.h"
#include "models/artifact.h"
#include "models/dropout.h"
#include "models/lora_directory.h"
#include "tests/support/tiny_lora.h"

namespace attune {
namespace {

double worst(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

PackedTokens tokens_of(int count) {
  PackedBatch batch;
  const std::vector<std::int32_t> ids(count, 1);
  batch.add(ids.data(), count, 100);
  return to_device(batch, at::kCPU);
}

// A layer of 12 outputs with parts on the rows [0, 4) and [8, 12), and all that its gradient
// reaches.
struct Parts {
  std::vector<at::Tensor>
      leaves;  // x, weight, bias, a and b of the first part, a and b of the next
  Linear layer() const {
    Linear made{leaves[1], leaves[2]};
    made.low_rank = {
        {leaves[3], leaves[4], 0, 1.5, 0.5, 1, DropoutSite::kQueryLowRank},
        {leaves[5], leaves[6], 8, 1.5, 0.5, 1, DropoutSite::kValueLowRank},
    };
    return made;
  }
};

Parts make_parts() {
  return {{at::randn({17, 10}), at::randn({12, 10}), at::randn({12}), at::randn({3, 10}),
           at::randn({4, 3}), at::randn({3, 10}), at::randn({4, 3})}};
}

// By plain operators; the mask is that of dropout() on ones.
at::Tensor defined_by(const std::vector<at::Tensor>& in, const PackedTokens& tokens,
                      const ForwardOptions& options) {
  const auto part = [&](const at::Tensor& a, const at::Tensor& b, DropoutSite site) {
    const double probability = options.training ? 0.5 : 0;
    const at::Tensor mask =
        dropout(at::zeros({17, 10}) + 1, tokens,
                Dropout::make(probability, options.seed, options.step, 1, site));
    return at::matmul(at::matmul(in[0] * mask, a.t()), b.t()) * 1.5;
  };
  return at::matmul(in[0], in[1].t()) + in[2] +
         at::cat({part(in[3], in[4], DropoutSite::kQueryLowRank), at::zeros({17, 4}),
                  part(in[5], in[6], DropoutSite::kValueLowRank)},
                 1);
}

std::vector<at::Tensor> gradients(const Parts& parts,
                                  const std::function<at::Tensor(const Parts&)>& function,
                                  at::Tensor* value) {
  Parts own;
  for (const at::Tensor& leaf : parts.leaves)
    own.leaves.push_back(leaf.detach().clone().requires_grad_(true));
  const at::Tensor y = function(own);
  *value = y.detach();
  (y * y).sum().backward();
  std::vector<at::Tensor> found;
  for (const at::Tensor& leaf : own.leaves) found.push_back(leaf.grad());
  return found;
}

TEST(Lora, EqualsItsDefinitionForwardAndBackward) {
  const PackedTokens tokens = tokens_of(17);
  const Parts parts = make_parts();
  for (const bool training : {false, true})
    for (const bool gelu : {false, true}) {
      ForwardOptions options;
      options.training = training;
      options.seed = 3;
      options.step = 5;
      at::Tensor ours, expected;
      const auto our_gradients = gradients(
          parts,
          [&](const Parts& p) {
            return gelu ? linear_gelu(p.leaves[0], p.layer(), tokens, options)
                        : linear(p.leaves[0], p.layer(), tokens, options);
          },
          &ours);
      const auto expected_gradients = gradients(
          parts,
          [&](const Parts& p) {
            const at::Tensor y = defined_by(p.leaves, tokens, options);
            return gelu ? at::gelu(y) : y;
          },
          &expected);
      EXPECT_LT(worst(ours, expected), 1e-4);
      for (std::size_t i = 0; i < our_gradients.size(); ++i)
        EXPECT_LT(worst(our_gradients[i], expected_gradients[i]),
                  1e-5 * (1 + expected_gradients[i].abs().max().item<double>()))
            << i << training << gelu;
    }
}

TEST(Lora, FrozenWeightsGetNoGradient) {
  const PackedTokens tokens = tokens_of(17);
  Parts parts = make_parts();
  for (int i = 3; i < 7; ++i) parts.leaves[i].requires_grad_(true);
  linear(parts.leaves[0], parts.layer(), tokens, {}).sum().backward();
  EXPECT_FALSE(parts.leaves[1].grad().defined());
  EXPECT_FALSE(parts.leaves[2].grad().defined());
  for (int i = 3; i < 7; ++i) EXPECT_TRUE(parts.leaves[i].grad().defined()) << i;
}

TEST(Lora, InBf16IsNearFp32) {
  const PackedTokens tokens = tokens_of(17);
  const Parts parts = make_parts();
  ForwardOptions narrow;
  narrow.compute = at::kBFloat16;
  const at::Tensor y = linear(parts.leaves[0], parts.layer(), tokens, narrow);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  const double difference =
      worst(y.to(at::kFloat), linear(parts.leaves[0], parts.layer(), tokens, {}));
  EXPECT_GT(difference, 1e-4);
  EXPECT_LT(difference, 0.5);
}

TEST(Lora, MergedWeightsGiveTheSameVectors) {
  const TemporaryFolder folder;
  const auto model = load_tiny_bert();
  model->add_lora(random_lora(*model, "all-linear"), 0.3, "here");
  const at::Tensor apart = embed_golden(*model);
  EXPECT_GT(worst(apart, embed_golden(*load_tiny_bert())), 1e-3);
  write_artifact(*model, folder / "merged", {}, "card");
  EXPECT_LT(worst(embed_golden(*EmbeddingModel::load(folder / "merged", at::kCPU)), apart), 1e-5);
  write_tiny_lora(*model, folder / "peft");
  const auto adapted = EmbeddingModel::load(folder / "peft", at::kCPU);
  EXPECT_LT(worst(embed_golden(*adapted), apart), 1e-5);
  // One model, whichever way it is kept.
  EXPECT_EQ(adapted->fingerprint(), model->fingerprint());
  EXPECT_EQ(EmbeddingModel::load(folder / "merged", at::kCPU)->fingerprint(), model->fingerprint());
}

TEST(Lora, BeginsAsPeftDoes) {
  const auto model = load_tiny_bert();
  LoraConfig config;
  config.rank = 4;
  config.targets = {"query", "output.dense"};
  const Lora lora = initial_lora(config, model->linear_modules(), -1, 7);
  ASSERT_EQ(lora.modules.size(), 6u);  // "output.dense" is the end of attention.output.dense, too
  EXPECT_EQ(lora.modules[0].name, "encoder.layer.0.attention.self.query");
  EXPECT_EQ(lora.modules[1].name, "encoder.layer.0.attention.output.dense");
  for (const LoraModule& module : lora.modules) {
    EXPECT_EQ(module.b.abs().max().item<double>(), 0);
    const double bound = 1 / std::sqrt(static_cast<double>(module.a.size(1)));
    EXPECT_LE(module.a.abs().max().item<double>(), bound);
    EXPECT_GT(module.a.abs().max().item<double>(), 0.8 * bound);
  }
  EXPECT_FALSE(at::equal(lora.modules[0].a, lora.modules[3].a));
  EXPECT_TRUE(at::equal(lora.modules[0].a,
                        initial_lora(config, model->linear_modules(), -1, 7).modules[0].a));
  EXPECT_EQ(initial_lora(config, model->linear_modules(), 1, 7).modules.size(), 3u);
}

template <class Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void expect_in(const std::string& message, const std::string& expected) {
  EXPECT_NE(message.find(expected), std::string::npos)
      << "expected '" << expected << "' in: " << message;
}

TEST(Lora, TargetsAndRanksThatDoNotFitAreRefused) {
  const auto model = load_tiny_bert();
  LoraConfig config;
  config.rank = 33;
  const auto start = [&] { initial_lora(config, model->linear_modules(), -1, 7); };
  expect_in(refusal(start),
            "rank 33 is more than the width of encoder.layer.0.attention.self.query");
  config.rank = 4;
  config.targets = {"query", "q_proj"};
  expect_in(refusal(start), "no linear layer is called 'q_proj'; known: attention.self.query, ");
  Lora other = random_lora(*model, "query");
  other.modules[0].name = "encoder.layer.9.attention.self.query";
  expect_in(refusal([&] { load_tiny_bert()->add_lora(other, 0, "file"); }),
            "file: the model has no linear layer 'encoder.layer.9");
  other = random_lora(*model, "query");
  other.modules[0].b = at::zeros({31, 4});
  expect_in(refusal([&] { load_tiny_bert()->add_lora(other, 0, "file"); }), "other shapes than");
}

TEST(LoraDirectory, WhatIsNotPlainLoraIsRefusedByName) {
  const std::vector<std::pair<std::function<void(Json&)>, std::string>> cases = {
      {[](Json& j) { j["use_dora"] = true; }, "\"use_dora\" is true"},
      {[](Json& j) { j["use_rslora"] = true; }, "\"use_rslora\" is true"},
      {[](Json& j) { j["bias"] = "lora_only"; }, "\"bias\" is \"lora_only\""},
      {[](Json& j) { j["modules_to_save"] = {"pooler"}; }, "\"modules_to_save\""},
      {[](Json& j) { j["layers_to_transform"] = {0}; }, "\"layers_to_transform\""},
      {[](Json& j) { j["rank_pattern"] = {{"query", 2}}; }, "\"rank_pattern\""},
      {[](Json& j) { j["init_lora_weights"] = "pissa"; }, "\"init_lora_weights\""},
      {[](Json& j) { j["peft_type"] = "IA3"; }, "peft_type is \"IA3\""},
      {[](Json& j) { j["unheard_of"] = 3; }, "\"unheard_of\" is 3"},
      {[](Json& j) { j["r"] = 0; }, "\"r\" is 0"},
      {[](Json& j) { j["r"] = 5; }, "other shapes than 5 x 32"},
      {[](Json& j) { j["lora_alpha"] = "x"; }, "\"lora_alpha\""},
      {[](Json& j) { j["base_model_name_or_path"] = nullptr; }, "names no base model"},
      {[](Json& j) { j["base_model_name_or_path"] = "no/such"; }, "its base model 'no/such'"},
      {[](Json& j) { j = Json::array(); }, "expected a JSON object"},
  };
  for (const auto& [edit, expected] : cases) {
    const TemporaryFolder folder;
    const auto model = load_tiny_bert();
    model->add_lora(random_lora(*model, "query"), 0, "here");
    write_tiny_lora(*model, folder / "peft");
    const std::string path = folder / "peft/adapter_config.json";
    Json config = read_json_file(path);
    edit(config);
    write_text(path, config.dump());
    expect_in(refusal([&] { EmbeddingModel::load(folder / "peft", at::kCPU); }), expected);
  }
}

TEST(LoraDirectory, MatricesWithoutTheirPairOrOfOtherKindsAreRefused) {
  const TemporaryFolder folder;
  const auto model = load_tiny_bert();
  model->add_lora(random_lora(*model, "query"), 0, "here");
  write_tiny_lora(*model, folder / "whole");
  const std::string config = read_file(folder / "whole/adapter_config.json");
  const auto write = [&](const std::vector<NamedTensor>& tensors) {
    DurableDirectory out(folder / "peft");
    out.write("adapter_config.json", config);
    write_safetensors(out, "adapter_model.safetensors", tensors);
    out.commit();
    return refusal([&] { EmbeddingModel::load(folder / "peft", at::kCPU); });
  };
  const std::string query = "base_model.model.encoder.layer.0.attention.self.query.";
  expect_in(write({{query + "lora_A.weight", at::zeros({4, 32})}}),
            "only one of lora_A and lora_B");
  expect_in(write({{query + "lora_magnitude_vector", at::zeros({4})}}), "is not supported");
  expect_in(write({{"base_model.model.pooler.dense.lora_A.weight", at::zeros({4, 32})}}),
            "holds no matrices");
}

TEST(LoraDirectory, AnotherBaseThanItWasTrainedOnIsRefused) {
  const TemporaryFolder folder;
  const auto model = load_tiny_bert();
  model->add_lora(random_lora(*model, "query"), 0, "here");
  write_tiny_lora(*model, folder / "peft");
  const Json lineage = {{"lora", {{"base_fingerprint", model->encoder_fingerprint()}}}};
  write_text(folder / "peft/attune.json", lineage.dump());
  EXPECT_EQ(refusal([&] { EmbeddingModel::load(folder / "peft", at::kCPU, kTinyBert); }), "");
  const auto changed = load_tiny_bert();
  changed->parameters().values().fill_(0.5);
  write_artifact(*changed, folder / "other", {}, "card");
  expect_in(refusal([&] { EmbeddingModel::load(folder / "peft", at::kCPU, folder / "other"); }),
            model->encoder_fingerprint());
  expect_in(refusal([&] { EmbeddingModel::load(kTinyBert, at::kCPU, kTinyBert); }),
            "is a whole model");
  expect_in(refusal([&] { EmbeddingModel::load(folder / "peft", at::kCPU, folder / "peft"); }),
            "is a PEFT directory itself");
}

}  // namespace
}  // namespace attune
