#include "models/dense.h"

#include <filesystem>
#include <functional>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "models/artifact.h"
#include "tests/support/tiny_lora.h"

namespace attune {
namespace {

const Json kConfig = {{"in_features", 32},
                      {"out_features", 24},
                      {"bias", true},
                      {"activation_function", "torch.nn.modules.activation.Tanh"}};

struct DenseModel {
  std::string directory;
  at::Tensor weight = at::randn({24, 32}) * 0.2, bias = at::randn({24}) * 0.2;
};

// The tiny model with a Dense module between pooling and normalisation.
DenseModel write_dense_model(const TemporaryFolder& folder, Json config = kConfig,
                             const std::string& type = "sentence_transformers.models.Dense") {
  DenseModel model{folder / "model"};
  std::filesystem::copy(kTinyBert, model.directory, std::filesystem::copy_options::recursive);
  DurableDirectory out(model.directory + "/2_Dense");
  out.write("config.json", config.dump());
  write_safetensors(out, "model.safetensors",
                    {{"linear.weight", model.weight}, {"linear.bias", model.bias}});
  out.commit();
  Json modules = read_json_file(model.directory + "/modules.json");
  const Json dense = {{"idx", 2}, {"name", "2"}, {"path", "2_Dense"}, {"type", type}};
  modules.insert(modules.begin() + 2, dense);
  write_text(model.directory + "/modules.json", modules.dump());
  return model;
}

at::Tensor unit(const at::Tensor& x) {
  return x / at::linalg_vector_norm(x, 2, {1}, /*keepdim=*/true);
}

TEST(Dense, ComesAfterPoolingAndBeforeNormalisation) {
  for (const char* type :
       {"sentence_transformers.models.Dense", "sentence_transformers.base.modules.dense.Dense"}) {
    const TemporaryFolder folder;
    const DenseModel files = write_dense_model(folder, kConfig, type);
    const auto model = EmbeddingModel::load(files.directory, at::kCPU);
    EXPECT_EQ(model->dimension(), 24);
    const auto plain = load_tiny_bert();
    ASSERT_TRUE(model->directory().normalize);
    // The plain model normalises as well: take that off by its own pooled vectors.
    Json modules = read_json_file(kTinyBert + "/modules.json");
    modules.erase(2);
    const TemporaryFolder other;
    std::filesystem::copy(kTinyBert, other / "raw", std::filesystem::copy_options::recursive);
    write_text(other / "raw/modules.json", modules.dump());
    const at::Tensor pooled = embed_golden(*EmbeddingModel::load(other / "raw", at::kCPU));
    const at::Tensor expected = unit(at::tanh(at::matmul(pooled, files.weight.t()) + files.bias));
    EXPECT_LT((embed_golden(*model) - expected).abs().max().item<double>(), 1e-6);
  }
}

TEST(Dense, IsWrittenAndReadAgain) {
  const TemporaryFolder folder;
  const auto model = EmbeddingModel::load(write_dense_model(folder).directory, at::kCPU);
  write_artifact(*model, folder / "artifact", {}, "card");
  const auto again = EmbeddingModel::load(folder / "artifact", at::kCPU);
  EXPECT_EQ(again->fingerprint(), model->fingerprint());
  EXPECT_NE(again->fingerprint(), load_tiny_bert()->fingerprint());
  const Json pooling = read_json_file(folder / "artifact/1_Pooling/config.json");
  EXPECT_EQ(pooling["word_embedding_dimension"], 32);
  EXPECT_EQ(read_json_file(folder / "artifact/2_Dense/config.json"), kConfig);
  EXPECT_TRUE(std::filesystem::exists(folder / "artifact/3_Normalize/config.json"));
}

TEST(Dense, WhatItDoesNotKnowIsRefusedByName) {
  const std::vector<std::pair<std::function<void(Json&)>, std::string>> cases = {
      {[](Json& j) { j["in_features"] = 16; }, "\"in_features\" is 16, pooling gives 32"},
      {[](Json& j) { j["out_features"] = -1; }, "\"out_features\" is -1"},
      {[](Json& j) { j["out_features"] = 25; }, "'linear.weight' is of another shape"},
      {[](Json& j) { j["bias"] = false; }, "tensors besides"},
      {[](Json& j) { j["bias"] = 1; }, "\"bias\" is 1"},
      {[](Json& j) { j["activation_function"] = "os.system"; }, "supported: Identity, Tanh"},
      {[](Json& j) { j["use_residual"] = true; }, "use_residual"},
      {[](Json& j) { j["module_input_name"] = "token_embeddings"; }, "module_input_name"},
  };
  for (const auto& [edit, expected] : cases) {
    const TemporaryFolder folder;
    Json config = kConfig;
    edit(config);
    try {
      EmbeddingModel::load(write_dense_model(folder, config).directory, at::kCPU);
      FAIL() << expected;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace attune
