#include "models/encoders/static_embedding.h"

#include <filesystem>

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "core/durable.h"
#include "core/error.h"
#include "models/artifact.h"
#include "models/encoder_embedding.h"
#include "tests/support/tiny_bert.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

// A table under `name` beside the tiny model's tokenizer, in a folder of its own.
std::string make_static(const TemporaryFolder& folder, const at::Tensor& table, const char* name,
                        const std::vector<NamedTensor>& more = {}) {
  const std::string model = folder / "model";
  DurableDirectory out(model + "/0_StaticEmbedding");
  std::vector<NamedTensor> tensors = {{name, table}};
  tensors.insert(tensors.end(), more.begin(), more.end());
  write_safetensors(out, "model.safetensors", tensors);
  out.copy_file(kTinyBert + "/tokenizer.json", "tokenizer.json");
  out.commit();
  write_text(model + "/modules.json",
             R"([{"idx": 0, "name": "0", "path": "0_StaticEmbedding",
                  "type": "sentence_transformers.models.StaticEmbedding"}])");
  return model;
}

std::vector<float> embed(const std::shared_ptr<EmbeddingModel>& model, std::string_view text) {
  return EncoderEmbedding(model, "static").get_text_embedding(text);
}

TEST(StaticEmbedding, IsTheMeanOfItsTokensWithoutSpecialOnes) {
  for (const char* name : {"embedding.weight", "embeddings"}) {
    const TemporaryFolder folder;
    const at::Tensor table = at::randn({118, 7});
    const auto model = EmbeddingModel::load(make_static(folder, table, name), at::kCPU);
    EXPECT_EQ(model->dimension(), 7);
    EXPECT_EQ(model->num_layers(), 0);
    const std::string_view text = "how is a rope mended?";
    const std::vector<std::string_view> texts = {text};
    const TokenizedTexts whole = load_tiny_bert()->tokenize(Role::kText, texts);
    at::Tensor sum = at::zeros({7});
    for (std::size_t i = 1; i + 1 < whole[0].size(); ++i) sum += table[whole[0][i]];
    const at::Tensor mean = sum / static_cast<double>(whole[0].size() - 2);
    const std::vector<float> got = embed(model, text);
    for (int i = 0; i < 7; ++i) EXPECT_NEAR(got[i], mean[i].item<float>(), 1e-6);
    EXPECT_EQ(embed(model, ""), std::vector<float>(7, 0));
  }
}

TEST(StaticEmbedding, AnArtifactHoldsTheSameModel) {
  const TemporaryFolder folder;
  const auto model =
      EmbeddingModel::load(make_static(folder, at::randn({118, 5}), "embeddings"), at::kCPU);
  write_artifact(*model, folder / "artifact", Json::object(), "card");
  EXPECT_FALSE(fs::exists(folder / "artifact/config.json"));
  const auto read = EmbeddingModel::load(folder / "artifact", at::kCPU);
  EXPECT_EQ(embed(read, "the ship"), embed(model, "the ship"));
  EXPECT_EQ(read->fingerprint(), model->fingerprint());
}

TEST(StaticEmbedding, OtherTablesAreRefused) {
  const auto refusal = [](const at::Tensor& table, const char* name,
                          const std::vector<NamedTensor>& more = {}) {
    const TemporaryFolder folder;
    try {
      EmbeddingModel::load(make_static(folder, table, name, more), at::kCPU);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      return std::string(error.what());
    }
    return std::string("it was loaded");
  };
  EXPECT_NE(refusal(at::randn({118, 5}), "table").find("'embedding.weight' or 'embeddings'"),
            std::string::npos);
  EXPECT_NE(refusal(at::randn({118}), "embeddings").find("[tokens, width]"), std::string::npos);
  EXPECT_NE(refusal(at::randn({90, 5}), "embeddings").find("only 90 rows"), std::string::npos);
  EXPECT_NE(refusal(at::randn({118, 5}), "embeddings", {{"mapping", at::randn({4})}})
                .find("quantised vocabularies are not supported"),
            std::string::npos);
}

}  // namespace
}  // namespace attune
