// `attune export` and what adapters for both sides tell of themselves.
#include "tests/apps/program.h"

namespace attune::test {
namespace {

class Export : public ProgramTest {
 protected:
  Export() { write_dataset("train.json", 16); }
  Outcome train(const std::vector<std::string>& more) const {
    write_config("run.yaml", "  mode: adapter\n");
    std::vector<std::string> arguments = {"train", "run.yaml"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
};

TEST_F(Export, WritesADirectoryAndSaysWhatReadsIt) {
  ASSERT_EQ(train({}).code, 0);
  const Outcome made = run({"export", "out/artifact", "--output", "st", "--json"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(made.last_line()["layout"], "Router");
  EXPECT_TRUE(fs::exists(folder_ / "st/router_config.json"));
  EXPECT_EQ(run({"export", "out/artifact", "--output", "st"}).code, 2) << "it is there already";
  EXPECT_EQ(run({"export", "out/artifact"}).code, 2);
  EXPECT_EQ(run({"export", "absent", "--output", "other"}).code, 3);
  const Outcome whole = run({"export", kTinyModel, "--output", "other"});
  EXPECT_EQ(whole.code, 2);
  EXPECT_NE(whole.err.find("no adapter"), std::string::npos) << whole.err;
  EXPECT_EQ(run({"export", "out/artifact", "--output", "other", "--base", "absent"}).code, 3);
  EXPECT_FALSE(fs::exists(folder_ / "other"));
}

TEST_F(Export, AnAdapterForBothSidesSaysThatTheIndexMustBeMadeAnew) {
  const Outcome trained = train({"adapter.sides=both", "adapter.out_features=8"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_NE(trained.err.find("embed the documents again"), std::string::npos) << trained.err;
  const Json told = run({"inspect", "out/artifact", "--json"}).last_line();
  EXPECT_EQ(told["sides"], "both");
  EXPECT_EQ(told["config"]["out_features"], 8);
  EXPECT_NE(told["index"].get<std::string>().find("made anew"), std::string::npos);
  spit(folder_ / "texts.txt", "item 3 is kept in room 1.\n");
  const Outcome embedded = run(
      {"embed", "--model", "out/artifact", "--input", "texts.txt", "--output", "v.npy", "--json"});
  ASSERT_EQ(embedded.code, 0) << embedded.err;
  EXPECT_EQ(embedded.last_line()["dimension"], 8);
  const Outcome exported = run({"export", "out/artifact", "--output", "st", "--json"});
  EXPECT_EQ(exported.last_line()["layout"], "Dense") << exported.err;
}

TEST_F(Export, RunTellsHowAnAdapterIsLoaded) {
  write_dataset("test.json", 8);
  write_config("run.yaml", "  mode: adapter\n", "evaluate: {k: [1, 10]}\n");
  const Outcome outcome = run({"run", "run.yaml", "data.test=test.json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("AdapterEmbeddingModel("), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("attune export out/artifact"), std::string::npos) << outcome.out;
  EXPECT_EQ(outcome.out.find("SentenceTransformer("), std::string::npos) << outcome.out;
}

}  // namespace
}  // namespace attune::test
