// `attune sweep` on the tiny model: the table, what is shared, what is not run again.
#include "tests/apps/program.h"

namespace attune::test {
namespace {

class Sweep : public ProgramTest {
 protected:
  Sweep() {
    write_dataset("train.json", 16);
    write_dataset("validation.json", 6);
    spit(folder_ / "run.yaml",
         "version: 1\nname: tiny\ndevice: cpu\noutput: out\ndata:\n  train: train.json\n"
         "  validation: validation.json\nmodel:\n  base: " +
             kTinyModel +
             "\ntrain:\n  mode: adapter\n  batch_size: 8\n  epochs: 2\n  loss: {type: corpus}\n");
  }
  Json record() const { return read_json_file(folder_ / "out" / "sweep.json"); }
};

TEST_F(Sweep, RanksEveryCombinationAndEmbedsOnce) {
  const std::vector<std::string> command = {"sweep", "run.yaml", "adapter.type=linear,two_layer",
                                            "train.learning_rate=1e-4,1e-2", "train.epochs=3"};
  const Outcome outcome = run(command);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json made = record();
  ASSERT_EQ(made["runs"].size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    const Json& one = made["runs"][i];
    EXPECT_EQ(one["status"], "succeeded");
    EXPECT_EQ(one["steps"], 6);
    EXPECT_TRUE(fs::exists(folder_ / "out" / one["name"].get<std::string>() / "artifact"));
    const std::size_t before = i > 0 ? i - 1 : 0;
    EXPECT_LE(one["ndcg@10"].get<double>(), made["runs"][before]["ndcg@10"].get<double>());
  }
  EXPECT_EQ(made["best"], made["runs"][0]["name"]);
  for (const std::string& said :
       {std::string("ndcg@10"), std::string("two_layer"), made["artifact"].get<std::string>(),
        made["command"].get<std::string>()})
    EXPECT_NE(outcome.out.find(said), std::string::npos) << said << "\n" << outcome.out;
  // 16 queries and 16 passages to train on, 6 and 6 to measure by, which are among them: in all
  // runs.
  std::size_t embedded = 0;
  for (const auto& entry : fs::directory_iterator(folder_ / "out" / "vectors"))
    embedded += fs::file_size(entry.path()) / (64 + 4 * 32);
  EXPECT_EQ(embedded, 32u);
  EXPECT_NE(outcome.err.find("adapter: 0 texts embedded"), std::string::npos) << outcome.err;

  // Again: nothing is run. The command of the best: the same model.
  const Outcome again = run(command);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.out, outcome.out);
  EXPECT_EQ(again.err.find("adapter:"), std::string::npos) << again.err;
  std::istringstream words(made["command"].get<std::string>());
  std::vector<std::string> best;
  for (std::string word; words >> word;) best.push_back(word);
  ASSERT_EQ(best[0], "attune");
  best.erase(best.begin());
  const std::string report = slurp(folder_ / "out/report.html");
  ASSERT_EQ(run(best).code, 0);
  EXPECT_EQ(slurp(folder_ / "out/report.html"), report) << "the sweep's is not the run's";
  EXPECT_EQ(slurp(folder_ / "out-best/artifact/model.safetensors"),
            slurp(folder_ / made["artifact"].get<std::string>() / "model.safetensors"));
}

TEST_F(Sweep, MoreValuesRunOnlyWhatIsNew) {
  ASSERT_EQ(run({"sweep", "run.yaml", "train.weight_decay=0,0.1"}).code, 0);
  const Outcome more = run({"sweep", "run.yaml", "train.weight_decay=0,0.1,1", "--json"});
  ASSERT_EQ(more.code, 0) << more.err;
  EXPECT_EQ(more.last_line()["status"], "succeeded");
  EXPECT_EQ(more.last_line()["runs"].size(), 3u);
  std::size_t skipped = 0;
  for (std::size_t at = 0; (at = more.err.find("not run again", at)) != std::string::npos; ++at)
    ++skipped;
  EXPECT_EQ(skipped, 2u) << more.err;
}

TEST_F(Sweep, AKilledSweepGoesOn) {
  const std::vector<std::string> command = {"sweep", "run.yaml", "train.learning_rate=1e-4,1e-3",
                                            "train.epochs=400", "train.checkpoint_steps=50"};
  const Process process = start(command);
  wait_for(folder_ / "out" / "learning_rate-1e-4" / "checkpoints");
  process.send(SIGTERM);
  const Outcome stopped = process.wait();
  ASSERT_EQ(stopped.code, 143) << stopped.err;
  EXPECT_NE(stopped.err.find("the same command goes on"), std::string::npos) << stopped.err;
  EXPECT_FALSE(fs::exists(folder_ / "out" / "sweep.json"));
  const Outcome resumed = run(command);
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("going on at step"), std::string::npos) << resumed.err;
  auto whole = command;
  whole.push_back("output=whole");
  ASSERT_EQ(run(whole).code, 0);
  EXPECT_EQ(slurp(folder_ / "out/learning_rate-1e-4/artifact/model.safetensors"),
            slurp(folder_ / "whole/learning_rate-1e-4/artifact/model.safetensors"));
}

TEST_F(Sweep, ARunThatFailsIsListedAndTheOthersGoOn) {
  const Outcome outcome =
      run({"sweep", "run.yaml", "adapter.type=low_rank", "adapter.rank=4,4000", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json runs = outcome.last_line()["runs"];
  EXPECT_EQ(runs[0]["settings"]["adapter.rank"], "4");
  EXPECT_EQ(runs[1]["status"], "failed");
  EXPECT_NE(runs[1]["error"].get<std::string>().find("4000"), std::string::npos);
  const Outcome all = run({"sweep", "run.yaml", "adapter.type=low_rank", "adapter.rank=4000,5000"});
  EXPECT_EQ(all.code, 3) << all.err;
}

TEST_F(Sweep, WithoutAnythingToMeasureByItDoesNotBegin) {
  const Outcome none = run({"sweep", "run.yaml", "data.validation=", "train.epochs=1,2"});
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.err.find("give data.validation"), std::string::npos) << none.err;
  spit(folder_ / "empty.json", R"({"queries": {}, "corpus": {"d": "x"}, "relevant_docs": {}})");
  const Outcome empty =
      run({"sweep", "run.yaml", "data.validation=empty.json", "train.epochs=1,2"});
  EXPECT_EQ(empty.code, 3);
  EXPECT_NE(empty.err.find("no query with a relevant passage"), std::string::npos) << empty.err;
  EXPECT_EQ(run({"sweep", "run.yaml", "data.validation=absent.json", "train.epochs=1,2"}).code, 3);
  EXPECT_EQ(run({"sweep", "run.yaml", "train.epochs=2", "--json"}).code, 2);
  EXPECT_FALSE(fs::exists(folder_ / "out" / "epochs-1"));
}

TEST_F(Sweep, SweepsWholeModelsOverGeneratedPairsToo) {
  for (int page = 0; page < 6; ++page) {
    std::string text = "<html><body><h1>Room " + std::to_string(page) + "</h1>";
    for (int section = 0; section < 3; ++section)
      text += "<h2>How is item " + std::to_string(page * 10 + section) +
              " kept?</h2><p>Box number " + std::to_string(section) +
              " stands in the hall of house " + std::to_string(page) + " beside it.</p>";
    spit(folder_ / "documents" / ("page" + std::to_string(page) + ".html"),
         text + "</body></html>");
  }
  spit(folder_ / "made.yaml",
       "version: 1\nname: made\ndevice: cpu\noutput: out\ndocuments: {paths: [documents]}\n"
       "chunks: {min_words: 3}\ngenerate: {validation_share: 0.3}\nmodel: {base: " +
           kTinyModel + "}\ntrain: {batch_size: 4, epochs: 1}\n");
  const Outcome outcome = run({"sweep", "made.yaml", "train.learning_rate=1e-5,1e-4"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(fs::exists(folder_ / "out/datasets/validation.json"));
  EXPECT_FALSE(fs::exists(folder_ / "out/learning_rate-1e-5/datasets")) << "made once";
  EXPECT_EQ(record()["validation"], "out/datasets/validation.json");
}

}  // namespace
}  // namespace attune::test
