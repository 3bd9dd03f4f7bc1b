// The files of an exported adapter; that sentence-transformers gives equal vectors is checked by
// tests/oracles/parity/export.py.
#include "models/adapter_export.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "core/durable.h"
#include "core/error.h"
#include "models/adapter_directory.h"
#include "models/adapters/registry.h"
#include "tests/support/tiny_bert.h"

namespace attune {
namespace {

std::string saved(const TemporaryFolder& folder, const std::string& type, Json config,
                  AdapterSides sides = AdapterSides::kQuery) {
  config["in_features"] = 32;
  if (!config.contains("out_features")) config["out_features"] = 32;
  const auto base = resolve_embed_model(kTinyBert);
  save_adapter(*make_adapter(type, config, 1), type, sides, folder / "adapter",
               {{"run", "test"},
                {"adapter", {{"base", kTinyBert}, {"base_fingerprint", base->document_space()}}}});
  return folder / "adapter";
}

TEST(AdapterExport, ForQueriesIsARouterWhoseRoutesShareTheBase) {
  const TemporaryFolder folder;
  const auto exported =
      export_adapter(saved(folder, "linear", {{"bias", true}}), {}, folder / "st");
  EXPECT_EQ(exported.layout, "Router");
  EXPECT_EQ(read_json_file(folder / "st/modules.json")[0]["type"],
            "sentence_transformers.models.Router");
  const Json router = read_json_file(folder / "st/router_config.json");
  const Json query = router["structure"]["query"], document = router["structure"]["document"];
  ASSERT_EQ(query.size(), document.size() + 1);
  for (std::size_t i = 0; i < document.size(); ++i) EXPECT_EQ(query[i], document[i]);
  for (const Json& name : query) {
    EXPECT_TRUE(router["types"].contains(name.get<std::string>()));
    EXPECT_TRUE(std::filesystem::exists(folder / ("st/" + name.get<std::string>())));
  }
  const Json dense =
      read_json_file(folder / ("st/" + query.back().get<std::string>() + "/config.json"));
  EXPECT_EQ(dense["bias"], true);
  EXPECT_EQ(dense["activation_function"], "torch.nn.modules.linear.Identity");
  EXPECT_EQ(read_json_file(folder / "st/attune.json")["exported_adapter"]["type"], "linear");
  EXPECT_FALSE(is_adapter_directory(folder / "st"));
}

TEST(AdapterExport, ForBothSidesIsOneChain) {
  const TemporaryFolder folder;
  const auto exported = export_adapter(
      saved(folder, "linear", {{"out_features", 8}}, AdapterSides::kBoth), {}, folder / "st");
  EXPECT_EQ(exported.layout, "Dense");
  const Json modules = read_json_file(folder / "st/modules.json");
  EXPECT_EQ(modules.back()["type"], "sentence_transformers.models.Dense");
  EXPECT_EQ(read_json_file(folder / ("st/" + modules.back()["path"].get<std::string>() +
                                     "/config.json"))["out_features"],
            8);
}

TEST(AdapterExport, AResidualTakesTheDensesOwnBranch) {
  const TemporaryFolder folder;
  const Json config = {
      {"hidden_features", 5}, {"activation_fn_str", "tanh"}, {"add_residual", true}};
  const auto exported = export_adapter(saved(folder, "two_layer", config), {}, folder / "st");
  EXPECT_EQ(exported.oldest_release, "5.7");
  const Json query = read_json_file(folder / "st/router_config.json")["structure"]["query"];
  const std::string first = folder / ("st/" + query[query.size() - 2].get<std::string>());
  const Json dense = read_json_file(first + "/config.json");
  EXPECT_EQ(dense["use_residual"], true);
  EXPECT_EQ(dense["out_features"], 5 + 32);
  EXPECT_EQ(Weights::from_file(first + "/model.safetensors").stored("residual.weight").size(0), 37);
}

class Silent : public Adapter {
 public:
  at::Tensor forward(const at::Tensor& x) const override { return x * factor_; }
  std::vector<std::pair<std::string, at::Tensor>> parameters() const override {
    return {{"factor", factor_}};
  }
  std::string config_json() const override { return "{}"; }

 private:
  at::Tensor factor_ = at::ones({1});
};

TEST(AdapterExport, WhatCannotBeExpressedIsRefusedByName) {
  register_adapter("silent",
                   [](const std::string&, std::uint64_t) { return std::make_unique<Silent>(); });
  const TemporaryFolder folder;
  const std::string adapter = saved(folder, "silent", Json::object());
  try {
    export_adapter(adapter, {}, folder / "st");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_NE(std::string(error.what()).find("'silent'"), std::string::npos) << error.what();
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "st"));
}

TEST(AdapterExport, LeavesWhatIsThereAndAsksForTheRightBase) {
  const TemporaryFolder folder;
  const std::string adapter = saved(folder, "linear", Json::object());
  write_text(folder / "st/mine.txt", "mine");
  EXPECT_THROW(export_adapter(adapter, {}, folder / "st"), Error);
  EXPECT_TRUE(std::filesystem::exists(folder / "st/mine.txt"));
  EmbedOptions shorter;
  shorter.max_length = 8;
  EXPECT_THROW(export_adapter(adapter, shorter, folder / "other"), Error);
  EXPECT_FALSE(std::filesystem::exists(folder / "other"));
}

}  // namespace
}  // namespace attune
