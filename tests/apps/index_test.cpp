// attune index build, add, search and verify.
#include "tests/apps/program.h"

namespace attune::test {
namespace {

class IndexCommand : public ProgramTest {
 protected:
  void write_nodes(const std::string& name, int begin, int end) const {
    std::string lines;
    for (int i = begin; i < end; ++i) {
      const std::string number = std::to_string(i);
      const Json node = {
          {"id", "d" + number},
          {"text", "item " + number + " is kept in room " + std::to_string(i * 7 % 10) + "."},
          {"page", i}};
      lines += node.dump() + "\n";
    }
    spit(folder_ / name, lines);
  }
  Outcome build(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"index",   "build",   "idx",      "--model", kTinyModel,
                                      "--input", "a.jsonl", "--device", "cpu",     "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }
};

TEST_F(IndexCommand, BuildsAddsSearchesAndVerifies) {
  write_nodes("a.jsonl", 0, 20);
  const Outcome built = build();
  ASSERT_EQ(built.code, 0) << built.err;
  EXPECT_EQ(built.last_line()["nodes"], 20);
  EXPECT_EQ(built.last_line()["embedded"], 20);
  EXPECT_EQ(build().last_line()["embedded"], 0);

  write_nodes("b.jsonl", 15, 25);
  const Outcome added = run({"index", "add", "idx", "--input", "b.jsonl", "--device", "cpu"});
  ASSERT_EQ(added.code, 0) << added.err;
  EXPECT_NE(added.out.find("25 nodes; 5 added, 0 changed, 0 removed, 20 as they were; 5 texts"),
            std::string::npos)
      << added.out;

  const Outcome found = run({"index", "search", "idx", "item 22 is kept in room 4.", "--k", "3",
                             "--device", "cpu", "--json"});
  ASSERT_EQ(found.code, 0) << found.err;
  const Json hits = found.last_line()["hits"];
  ASSERT_EQ(hits.size(), 3u);
  // The tiny model knows neither 12 nor 22, which so have equal vectors: the ids decide.
  EXPECT_EQ(hits[0]["id"], "d12");
  const Json& added_one = hits[1]["id"] == "d22" ? hits[1] : hits[2];
  EXPECT_EQ(added_one["id"], "d22");
  EXPECT_EQ(added_one["metadata"]["page"], 22);
  EXPECT_NEAR(added_one["score"].get<double>(), 1, 1e-5);

  spit(folder_ / "queries.txt", "where is item 1 kept?\nwhere is item 2 kept?\n");
  const Outcome many = run({"index", "search", "idx", "--input", "queries.txt", "--device", "cpu"});
  EXPECT_NE(many.out.find("query: where is item 2 kept?"), std::string::npos) << many.out;
  EXPECT_EQ(std::count(many.out.begin(), many.out.end(), '\n'), 22);

  // What is in a document does not reach the terminal's controls.
  const Json odd = {{"id", "one\nid\x1b[2J"}, {"text", "a\ttext\r\xc2\x9b[2J"}};
  spit(folder_ / "odd.jsonl", odd.dump() + "\n");
  run({"index", "build", "odd", "--model", kTinyModel, "--input", "odd.jsonl", "--device", "cpu"});
  const std::string shown = run({"index", "search", "odd", "x", "--device", "cpu"}).out;
  EXPECT_EQ(shown.substr(shown.find("  ")), "  one id [2J  a text  [2J\n");

  const Outcome sound = run({"index", "verify", "idx", "--json"});
  EXPECT_EQ(sound.code, 0) << sound.err;
  EXPECT_EQ(sound.last_line()["nodes"], 25);
  EXPECT_EQ(sound.last_line()["model"], kTinyModel);

  const fs::path vectors = folder_ / "idx/generation-00000002/vectors.safetensors";
  std::string bytes = slurp(vectors);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  spit(vectors, bytes);
  const Outcome damaged = run({"index", "verify", "idx"});
  EXPECT_EQ(damaged.code, 3);
  EXPECT_NE(damaged.err.find("vectors.safetensors: SHA-256"), std::string::npos) << damaged.err;
}

TEST_F(IndexCommand, AnotherModelIsRefusedAndTheNamedRebuildWorks) {
  write_nodes("a.jsonl", 0, 12);
  ASSERT_EQ(build({"--approximate"}).code, 0);
  fs::copy(kTinyModel, folder_ / "other", fs::copy_options::recursive);
  spit(folder_ / "other/sentence_bert_config.json",
       R"({"max_seq_length": 16, "do_lower_case": false})");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"index", "search", "idx", "x", "--model", "other"},
        std::vector<std::string>{"index", "add", "idx", "--input", "a.jsonl", "--model",
                                 "other"}}) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 3);
    EXPECT_NE(outcome.err.find(kTinyModel), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("attune index build idx --model " + (folder_ / "other").string() +
                               " --approximate"),
              std::string::npos)
        << outcome.err;
  }
  const Outcome rebuilt =
      run({"index", "build", "idx", "--model", "other", "--approximate", "--json"});
  ASSERT_EQ(rebuilt.code, 0) << rebuilt.err;
  EXPECT_EQ(rebuilt.last_line()["embedded"], 12);
  EXPECT_EQ(run({"index", "search", "idx", "x"}).code, 0);
}

TEST_F(IndexCommand, MistakesAreToldWithTheirRemedy) {
  write_nodes("a.jsonl", 0, 3);
  ASSERT_EQ(build().code, 0);
  spit(folder_ / "empty.jsonl", "");
  spit(folder_ / "bad.jsonl", "{\"id\": \"x\"}\n");
  spit(folder_ / "full/thesis.txt", "work");
  struct Case {
    std::vector<std::string> words;
    int code;
    const char* says;
  };
  for (const Case& wrong : std::vector<Case>{
           {{"index", "search", "nowhere", "x"}, 3, "attune index build"},
           {{"index", "search", "idx"}, 2, "--input FILE"},
           {{"index", "search", "idx", "x", "--input", "q.txt"}, 2, "--input FILE"},
           {{"index", "search", "idx", "x", "--k", "0"}, 2, "--k"},
           {{"index", "search", "idx", "x", "--max-length", "8"}, 2, "of --model"},
           {{"index", "serach", "idx", "x"}, 2, "index search"},
           {{"index", "verify", "nowhere"}, 3, "there is no index"},
           {{"index", "verify", ""}, 2, "the place of an index is empty"},
           {{"index", "add", "idx", "--input", "bad.jsonl"}, 3, "bad.jsonl:1"},
           {{"index", "build", "new", "--model", kTinyModel}, 3, "--input FILE"},
           {{"index", "build", "idx", "--model", kTinyModel, "--input", "empty.jsonl"},
            3,
            "nothing"},
           {{"index", "build", "full", "--model", kTinyModel, "--input", "a.jsonl"},
            3,
            "thesis.txt"},
       }) {
    const Outcome outcome = run(wrong.words);
    EXPECT_EQ(outcome.code, wrong.code) << wrong.words[1] << ": " << outcome.err;
    EXPECT_NE(outcome.err.find(wrong.says), std::string::npos) << outcome.err;
  }
  EXPECT_EQ(slurp(folder_ / "full/thesis.txt"), "work");
  EXPECT_FALSE(fs::exists(folder_ / "new"));
}

}  // namespace
}  // namespace attune::test
