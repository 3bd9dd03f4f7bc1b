// `attune data`: stats, check, convert, split, head.
#include "tests/apps/program.h"

namespace attune::test {
namespace {

using DataVerb = ProgramTest;

TEST_F(DataVerb, StatsOfEveryFormat) {
  write_dataset("set.json", 4);
  spit(folder_ / "rows.csv", "query,positive,score\na b,x,0.5\nc,y,1\n");
  const Outcome json = run({"data", "stats", "set.json", "rows.csv", "--json"});
  ASSERT_EQ(json.code, 0) << json.err;
  const Json sets = json.last_line()["datasets"];
  EXPECT_EQ(sets[0]["columns"][0]["texts"], 4);
  EXPECT_EQ(sets[0]["relevant_per_query"]["max"], 1);
  EXPECT_EQ(sets[1]["labels"]["min"], 0.5);
  EXPECT_EQ(sets[1]["columns"][0]["words"]["max"], 2);
  const Outcome text = run({"data", "stats", "rows.csv"});
  EXPECT_NE(text.out.find("rows.csv (CSV): 2 used, 0 refused"), std::string::npos) << text.out;
}

TEST_F(DataVerb, CheckEndsWithThreeWhereSomethingIsWrong) {
  write_dataset("train.json", 4);
  spit(folder_ / "test.jsonl", "{\"a\": \"new\", \"b\": \"passage\"}\n");
  EXPECT_EQ(run({"data", "check", "train.json", "test.jsonl"}).code, 0);
  spit(folder_ / "test.jsonl",
       "{\"a\": \"where is item 2 kept?\", \"b\": \"passage\"}\n{\"a\": \"b\"}\n");
  const Outcome wrong = run({"data", "check", "train.json", "test.jsonl"});
  EXPECT_EQ(wrong.code, 3);
  EXPECT_NE(wrong.out.find("line 2"), std::string::npos) << wrong.out;
  EXPECT_NE(wrong.out.find("leak: the query of train.json, 'q2', is in test.jsonl, line 1"),
            std::string::npos)
      << wrong.out;
  EXPECT_NE(wrong.err.find("1 refused, 1 queries and 0 passages"), std::string::npos) << wrong.err;
  EXPECT_EQ(run({"data", "check", "absent.json"}).code, 3);
}

TEST_F(DataVerb, ConvertAndHead) {
  write_dataset("set.json", 3);
  ASSERT_EQ(run({"data", "convert", "set.json", "rows.csv"}).code, 0);
  ASSERT_EQ(run({"data", "convert", "rows.csv", "rows.jsonl"}).code, 0);
  const Outcome head = run({"data", "head", "rows.jsonl", "--rows", "1"});
  EXPECT_EQ(
      head.out,
      "{\"query\": \"where is item 0 kept?\", \"positive\": \"item 0 is kept in room 0.\"}\n");
  const Outcome json = run({"data", "convert", "set.json", "beir", "--split", "dev", "--json"});
  EXPECT_EQ(json.last_line()["rows"], 3);
  EXPECT_EQ(run({"data", "head", "beir/qrels/dev.tsv"}).code, 0);
  spit(folder_ / "more.jsonl", "{\"a\": \"q\", \"b\": \"p\", \"c\": \"n\"}\n");
  const Outcome lossy = run({"data", "convert", "more.jsonl", "more.json"});
  EXPECT_EQ(lossy.code, 3);
  EXPECT_NE(lossy.err.find("--lossy"), std::string::npos) << lossy.err;
  EXPECT_EQ(run({"data", "convert", "more.jsonl", "more.json", "--lossy"}).code, 0);
}

TEST_F(DataVerb, SplitLeaksNothing) {
  write_dataset("set.json", 40);
  const Outcome split = run({"data", "split", "set.json", "--shares", "0.5,0.25,0.25", "--output",
                             "parts", "--near-duplicates", "0", "--json"});
  ASSERT_EQ(split.code, 0) << split.err;
  EXPECT_EQ(split.last_line()["parts"].size(), 3u);
  EXPECT_EQ(split.last_line()["parts"][0]["queries"], 20);
  EXPECT_EQ(
      run({"data", "check", "parts/train.json", "parts/validation.json", "parts/test.json"}).code,
      0);
  EXPECT_EQ(run({"data", "split", "set.json", "--output", "parts"}).code, 2);
}

TEST_F(DataVerb, TrainingIsTheSameFromEveryFormat) {
  write_dataset("train.json", 12);
  write_config("tiny.yaml", "  max_steps: 2\n");
  Json first;
  for (const char* name : {"train.json", "rows.csv", "rows.jsonl", "beir"}) {
    if (name != std::string("train.json")) {
      ASSERT_EQ(run({"data", "convert", "train.json", name}).code, 0);
    }
    const Outcome trained = run({"train", "tiny.yaml", std::string("data.train=[") + name + "]",
                                 std::string("output=out-") + name, "--json"});
    ASSERT_EQ(trained.code, 0) << trained.err;
    const Json loss = trained.last_line()["metrics"]["final_loss"];
    ASSERT_TRUE(loss.is_number()) << trained.out;
    if (first.is_null()) first = loss;
    EXPECT_EQ(loss, first) << name;
  }
}

TEST_F(DataVerb, BadUsage) {
  spit(folder_ / "rows.csv", "a,b\nc,d\n");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"stat", "rows.csv"},
           {"convert", "rows.csv"},
           {"head", "rows.csv", "rows.csv"},
           {"check", "rows.csv", "--lossy"},
           {"head", "rows.csv", "--lossy"},
           {"convert", "rows.csv", "rows.parquet"},
           {"split", "rows.csv"},
           {"split", "rows.csv", "--output", "x", "--shares", "0.5,x"},
           {"split", "rows.csv", "--output", "x", "--shares", "1"}}) {
    std::vector<std::string> arguments = {"data"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << words[0] << ": " << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
  EXPECT_EQ(run({"data", "split", "rows.csv", "--output", "x"}).code, 3);  // a table
}

}  // namespace
}  // namespace attune::test
