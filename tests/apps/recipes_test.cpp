// The recipes of configs/: listed, copied, and each of them run in a small form.
#include <map>

#include "tests/apps/program.h"
#include "tests/support/fake_llm_server.h"

namespace attune::test {
namespace {

class Recipes : public ProgramTest {
 protected:
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    std::istringstream lines(run({"recipes", "ls"}).out);
    for (std::string line; std::getline(lines, line);)
      found.push_back(line.substr(0, line.find(' ')));
    return found;
  }
  void write_documents() const {
    for (int i = 0; i < 8; ++i) {
      const std::string n = std::to_string(i);
      spit(folder_ / "docs" / ("page" + n + ".html"),
           "<h1>Room " + n + "</h1><h2>Where is item " + n + " kept?</h2><p>Item number " + n +
               " is kept in a box that stands in the hall of the house beside door " + n +
               ".</p><h2>Who owns item " + n + " now?</h2><p>The owner of thing " + n +
               " lives in house number " + n + " of the road that leads to the lake.</p>");
    }
  }
  void write_labels(const std::string& name) const {
    std::string rows;
    for (int i = 0; i < 12; ++i)
      rows += Json{{"sentence1", "box " + std::to_string(i)},
                   {"sentence2", "house " + std::to_string(i * 5 % 12)},
                   {"score", i / 12.0}}
                  .dump() +
              "\n";
    spit(folder_ / name, rows);
  }
};

TEST_F(Recipes, AreListedShownAndCopied) {
  const std::vector<std::string> all = names();
  ASSERT_GE(all.size(), 6u);
  for (const std::string& name : all) {
    const std::string text = run({"recipes", "cat", name}).out;
    EXPECT_EQ(text, slurp(source_path(("configs/" + name + ".yaml").c_str())));
    const std::string first = text.substr(0, text.find('\n'));
    EXPECT_TRUE(first == "# scripts/quickstart" ||
                (first.starts_with("# attune ") &&
                 first.find("configs/" + name + ".yaml") != std::string::npos))
        << first << ": a recipe begins with its command";
  }
  EXPECT_EQ(run({"recipes", "cp", "adapter", "my.yaml"}).code, 0);
  EXPECT_EQ(slurp(folder_ / "my.yaml"), run({"recipes", "cat", "adapter.yaml"}).out);
  const Outcome again = run({"recipes", "cp", "adapter", "my.yaml"});
  EXPECT_EQ(again.code, 2) << "nothing is overwritten";
  EXPECT_NE(again.err.find("my.yaml is there already"), std::string::npos) << again.err;
  EXPECT_NE(run({"recipes", "cat", "adaptor"}).err.find("did you mean 'adapter'?"),
            std::string::npos);
  EXPECT_EQ(run({"recipes", "cat"}).code, 2);
  EXPECT_EQ(run({"recipes", "ls", "x"}).code, 2);
  EXPECT_NE(run({"recipes", "list"}).err.find("did you mean 'ls'"), std::string::npos)
      << run({"recipes", "list"}).err;
}

TEST_F(Recipes, HaveNoMistakesAndNothingWithoutEffect) {
  for (const std::string& name : names()) {
    const Outcome outcome =
        run({"config", "check", source_path(("configs/" + name + ".yaml").c_str())});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "") << name;
  }
}

// What makes each small; every recipe must be here.
TEST_F(Recipes, EachRunsInASmallForm) {
  write_documents();
  write_labels("pairs.jsonl");
  write_labels("more.jsonl");
  write_dataset("test.json", 6);
  FakeLlmServer server(R"({"script": [], "then": {}})");
  const std::string documents = "documents.paths=[docs]";
  const std::vector<std::string> all = {"model.base=" + kTinyModel, "device=cpu",
                                        "model.max_length=64", "train.batch_size=4"};
  const std::vector<std::string> short_passages = {documents, "chunks.min_words=3",
                                                   "generate.validation_share=0.2",
                                                   "generate.test_share=0.3", "train.max_steps=2"};
  std::map<std::string, std::vector<std::string>> small;
  for (const char* name : {"quickstart", "adapter", "hard_negatives", "large_batch", "matryoshka",
                           "lora", "eight_steps"})
    small[name] = short_passages;
  small["quickstart"].push_back("generate.question_pages=[page7.html]");
  small["hard_negatives"].insert(small["hard_negatives"].end(),
                                 {"mine.num_negatives=1", "mine.relative_margin=null"});
  small["large_batch"].push_back("train.chunk_tokens=64");
  small["matryoshka"].push_back("train.loss.matryoshka.dims=[32, 16]");
  small["documents_llm"] = short_passages;
  small["documents_llm"].insert(small["documents_llm"].end(),
                                {"generate.llm.url=" + server.url(), "generate.round_trip=0"});
  small["labels"] = {"train.max_steps=2"};
  small["sweep"] = {documents, "chunks.min_words=3", "generate.validation_share=0.4",
                    "train.epochs=1", "train.learning_rate=1e-4,1e-3"};
  for (const std::string& name : names()) {
    ASSERT_TRUE(small.contains(name)) << name << " is not run by this test: add its small form";
    std::vector<std::string> words = {name == "sweep" ? "sweep" : "run",
                                      source_path(("configs/" + name + ".yaml").c_str()),
                                      "output=out/" + name};
    words.insert(words.end(), all.begin(), all.end());
    words.insert(words.end(), small[name].begin(), small[name].end());
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 0) << name << "\n" << outcome.err;
    const std::string expected = name == "sweep" ? "sweep.json" : "evaluation.json";
    EXPECT_TRUE(fs::exists(folder_ / "out" / name / expected)) << name << "\n" << outcome.err;
  }
}

}  // namespace
}  // namespace attune::test
