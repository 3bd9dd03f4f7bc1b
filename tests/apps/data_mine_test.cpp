// attune data mine.
#include <algorithm>

#include "tests/apps/program.h"

namespace attune::test {
namespace {

using DataMine = ProgramTest;

TEST_F(DataMine, WhatItWritesTrains) {
  write_dataset("train.json", 12);
  const Outcome mined =
      run({"data", "mine", "--model", kTinyModel, "--dataset", "train.json", "--output",
           "hard.jsonl", "--relative-margin", "none", "--num-negatives", "2", "--json"});
  ASSERT_EQ(mined.code, 0) << mined.err;
  EXPECT_EQ(mined.last_line()["status"], "succeeded");
  EXPECT_EQ(mined.last_line()["queries"], 12);
  EXPECT_EQ(mined.last_line()["too_few"], 0);
  write_config("run.yaml", "  negatives: hard.jsonl\n");
  EXPECT_EQ(run({"train", "run.yaml"}).code, 0);
  // The same again, and told in words.
  const std::string first = slurp(folder_ / "hard.jsonl");
  const Outcome again =
      run({"data", "mine", "--model", kTinyModel, "--dataset", "train.json", "--output",
           "hard.jsonl", "--relative-margin", "none", "--num-negatives", "2"});
  EXPECT_NE(again.out.find("12 queries have 2 hard negatives each"), std::string::npos);
  EXPECT_EQ(slurp(folder_ / "hard.jsonl"), first);
}

TEST_F(DataMine, Bm25NeedsNoModel) {
  write_dataset("train.json", 12);
  const Outcome mined = run({"data", "mine", "--source", "bm25", "--dataset", "train.json",
                             "--output", "hard.jsonl", "--sampling", "random", "--json"});
  ASSERT_EQ(mined.code, 0) << mined.err;
  EXPECT_EQ(mined.last_line()["queries"], 12);
}

TEST_F(DataMine, NothingFoundIsAnErrorAndWritesNothing) {
  write_dataset("train.json", 3);
  const Outcome mined = run({"data", "mine", "--source", "bm25", "--dataset", "train.json",
                             "--output", "hard.jsonl", "--max-score", "-1"});
  EXPECT_EQ(mined.code, 3);
  EXPECT_NE(mined.err.find("6 dropped by max_score"), std::string::npos) << mined.err;
  EXPECT_FALSE(fs::exists(folder_ / "hard.jsonl"));
}

TEST_F(DataMine, WrongSettingsAreRefused) {
  write_dataset("train.json", 3);
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"--source", "bm25", "--model", kTinyModel},
      {"--source", "bm52", "--model", kTinyModel},
      {"--source", "bm25", "--sampling", "best"},
      {"--source", "bm25", "--num-negatives", "0"},
      {"--source", "bm25", "--range-min", "5", "--range-max", "6"},
      {"--source", "bm25", "--max-score", "nan"},
      {"--source", "bm25", "--relative-margin", "5%"},
      {"--source", "bm25", "--output", "train.json"},
  };
  const std::string before = slurp(folder_ / "train.json");
  for (std::vector<std::string> more : wrong) {
    std::vector<std::string> words = {"data", "mine", "--dataset", "train.json"};
    if (std::find(more.begin(), more.end(), "--output") == more.end())
      more.insert(more.end(), {"--output", "hard.jsonl"});
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 2) << more[0] << ": " << outcome.err;
  }
  EXPECT_EQ(slurp(folder_ / "train.json"), before);
  EXPECT_EQ(run({"data", "mien", "--dataset", "train.json", "--output", "x"}).code, 2);
}

}  // namespace
}  // namespace attune::test
