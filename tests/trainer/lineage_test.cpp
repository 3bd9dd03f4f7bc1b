// A finetuned model as the base of the next run: what came before it stays on record.
#include "trainer/lineage.h"

#include <gtest/gtest.h>

#include "tests/support/finetuning.h"

namespace attune {
namespace {

Json finetune(const std::string& output, const std::string& base, const std::string& mode = "full",
              const std::string& adapter_start = "") {
  FinetuneOptions options = tiny_options(output, 3);
  options.model.base = base;
  options.train.mode = mode;
  options.adapter.start = adapter_start;
  options.lineage["run"] = std::filesystem::path(output).filename().string();
  options.lineage["data"] = {{"train", "fingerprint of the data"}};
  const auto engine = make_finetune_engine(tiny_dataset(), std::nullopt, options);
  EXPECT_TRUE(engine->finetune().finished);
  return read_json_file(engine->artifact_path() + "/attune.json");
}

TEST(Lineage, GoesBackThroughEveryRun) {
  const TemporaryFolder folder;
  const Json first = finetune(folder / "first", kTinyBert);
  EXPECT_EQ(first["parents"], Json::array());
  const Json second = finetune(folder / "second", folder / "first/artifact");
  ASSERT_EQ(second["parents"].size(), 1u);
  const Json& parent = second["parents"][0];
  EXPECT_EQ(parent["kind"], "model");
  EXPECT_EQ(parent["run"], "first");
  EXPECT_EQ(parent["base"], kTinyBert);
  EXPECT_EQ(parent["base_fingerprint"], first["base_fingerprint"]);
  EXPECT_EQ(parent["fingerprint"], second["base_fingerprint"]);
  EXPECT_EQ(parent["steps"], 3);
  EXPECT_EQ(parent["data"]["train"], "fingerprint of the data");
  const Json third = finetune(folder / "third", folder / "second/artifact");
  ASSERT_EQ(third["parents"].size(), 2u);
  EXPECT_EQ(third["parents"][0]["run"], "second");
  EXPECT_EQ(third["parents"][1], parent);
  const std::string card = read_file(folder / "third/artifact/README.md");
  EXPECT_LT(card.find("run `second`"), card.find("run `first`"));
  EXPECT_NE(card.find("run `first`"), std::string::npos) << card;
  EXPECT_EQ(read_file(folder / "first/artifact/README.md").find("Earlier finetuning"),
            std::string::npos);
}

TEST(Lineage, OfAdapters) {
  const TemporaryFolder folder;
  finetune(folder / "model", kTinyBert);
  const Json adapter = finetune(folder / "adapter", folder / "model/artifact", "adapter");
  ASSERT_EQ(adapter["parents"].size(), 1u);
  EXPECT_EQ(adapter["parents"][0]["run"], "model");
  const Json further = finetune(folder / "further", folder / "model/artifact", "adapter",
                                folder / "adapter/artifact");
  ASSERT_EQ(further["parents"].size(), 2u);
  EXPECT_EQ(further["parents"][0]["kind"], "adapter");
  EXPECT_EQ(further["parents"][0]["run"], "adapter");
  EXPECT_EQ(further["parents"][0]["base"], folder / "model/artifact");
  EXPECT_TRUE(further["parents"][0].contains("base_fingerprint"));
  EXPECT_EQ(further["parents"][1]["run"], "model");
}

TEST(Lineage, WhatIsNotUnderstoodIsLeftOut) {
  const TemporaryFolder folder;
  EXPECT_EQ(parents_of(folder / "nowhere"), Json::array());
  for (const char* text : {"", "[1, 2]", "{\"run\": 1", "{\"adapter\": 7}", "{\"parents\": 7}"}) {
    write_text(folder / "m/attune.json", text);
    EXPECT_NO_THROW(parents_of(folder / "m")) << text;
  }
  write_text(folder / "m/attune.json", R"({"run": "a", "parents": [1, {"run": "b"}, "c"]})");
  const Json parents = parents_of(folder / "m");
  ASSERT_EQ(parents.size(), 2u);
  EXPECT_EQ(parents[0]["run"], "a");
  EXPECT_EQ(parents[1]["run"], "b");
}

}  // namespace
}  // namespace attune
