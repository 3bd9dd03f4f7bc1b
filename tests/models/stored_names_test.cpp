#include "models/stored_names.h"

#include <filesystem>

#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "core/durable.h"
#include "models/artifact.h"
#include "tests/support/tiny_bert.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

// The tiny model with its tensors under other names, and more beside them.
std::string renamed(const TemporaryFolder& folder,
                    const std::function<std::string(const std::string&)>& name,
                    const std::vector<std::string>& more = {}) {
  const std::string model = folder / "model";
  fs::copy(kTinyBert, model, fs::copy_options::recursive);
  fs::remove(model + "/model.safetensors");
  const Weights weights = Weights::from_directory(kTinyBert);
  std::vector<NamedTensor> tensors;
  for (const auto& [old, entry] : weights.entries())
    tensors.push_back({name(old), weights.stored(old)});
  for (const std::string& head : more) tensors.push_back({head, at::ones({3})});
  DurableDirectory out(folder / "weights");
  write_safetensors(out, "model.safetensors", tensors);
  out.commit();
  fs::rename(folder / "weights/model.safetensors", model + "/model.safetensors");
  return model;
}

void expect_the_tiny_model(const EmbeddingModel& model) {
  const auto tiny = load_tiny_bert();
  EXPECT_TRUE(at::equal(model.parameters().values(), tiny->parameters().values()));
}

TEST(StoredNames, OldNorms) {
  const TemporaryFolder folder;
  const std::string model = renamed(folder, [](std::string name) {
    for (const auto& [now, then] :
         {std::pair{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}})
      if (name.ends_with(now)) name.replace(name.size() - std::string(now).size(), 99, then);
    return "bert." + name;
  });
  expect_the_tiny_model(*EmbeddingModel::load(model, at::kCPU));
}

TEST(StoredNames, WordEmbeddingsTiedToTheirHead) {
  const TemporaryFolder folder;
  const std::string model = renamed(folder, [](const std::string& name) {
    return name == "embeddings.word_embeddings.weight" ? "cls.predictions.decoder.weight"
                                                       : "bert." + name;
  });
  expect_the_tiny_model(*EmbeddingModel::load(model, at::kCPU));
}

TEST(StoredNames, HeadsAreToldAndLeftOut) {
  const TemporaryFolder folder;
  const std::vector<std::string> heads = {"bert.embeddings.position_ids", "classifier.bias",
                                          "cls.predictions.bias"};
  const auto model = EmbeddingModel::load(
      renamed(folder, [](const std::string& name) { return "bert." + name; }, heads), at::kCPU);
  EXPECT_EQ(model->left_out(),
            (std::vector<std::string>{"classifier.bias", "cls.predictions.bias"}));
  write_artifact(*model, folder / "artifact", Json::object(), "card");
  const Weights written = Weights::from_directory(folder / "artifact");
  for (const char* name : {"classifier.bias", "cls.predictions.bias", "embeddings.position_ids"})
    EXPECT_EQ(written.find(name), nullptr) << name;
  EXPECT_NE(written.find("pooler.dense.weight"), nullptr);
}

}  // namespace
}  // namespace attune
