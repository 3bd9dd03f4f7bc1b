// `attune train` and `attune run` on the tiny model: results, refusals, signals, and what survives.
#include "tests/apps/program.h"

namespace attune::test {
namespace {

class Train : public ProgramTest {
 protected:
  Train() { write_dataset("train.json", 16); }
  std::vector<Json> metrics(const std::string& run_directory = "out") const {
    std::istringstream lines(slurp(folder_ / run_directory / "metrics.jsonl"));
    std::vector<Json> found;
    for (std::string line; std::getline(lines, line);)
      found.push_back(parse_json(line, "metrics.jsonl"));
    return found;
  }
  std::string weights(const std::string& run_directory = "out") const {
    return slurp(folder_ / run_directory / "artifact" / "model.safetensors");
  }
};

TEST_F(Train, TellsWhereTheArtifactIs) {
  write_dataset("validation.json", 6);
  write_config("run.yaml");
  const Outcome outcome = run({"train", "run.yaml", "data.validation=validation.json", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json answer = outcome.last_line();
  EXPECT_EQ(answer["status"], "succeeded");
  EXPECT_EQ(answer["run"], "out");
  EXPECT_EQ(answer["artifact"], "out/artifact");
  EXPECT_EQ(answer["metrics"]["steps"], 4);
  EXPECT_GT(answer["metrics"]["validation_ndcg@10"].get<double>(), 0);
  EXPECT_GT(answer["metrics"]["pairs_per_second"].get<double>(), 0);
  EXPECT_NEAR(answer["metrics"]["final_loss"].get<double>(),
              metrics().back().contains("loss") ? metrics().back()["loss"].get<double>()
                                                : metrics()[3]["loss"].get<double>(),
              1e-12);
  const Outcome inspected = run({"inspect", "out/artifact", "--json"});
  ASSERT_EQ(inspected.code, 0) << inspected.err;
  EXPECT_EQ(inspected.last_line()["lineage"]["base"], kTinyModel);
  EXPECT_NE(weights(), slurp(kTinyModel + "/model.safetensors"));
}

TEST_F(Train, OutputThatHoldsARunIsRefused) {
  write_config("run.yaml");
  const Outcome first = run({"train", "run.yaml", "--json"});
  ASSERT_EQ(first.code, 0) << first.err;
  const std::string before = weights();

  const Outcome refused = run({"train", "run.yaml", "--json"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("--resume"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("--overwrite"), std::string::npos) << refused.err;

  const Outcome resumed = run({"train", "run.yaml", "--resume", "--json"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(resumed.out, first.out) << "a finished run repeats its last line";

  const Outcome other =
      run({"train", "run.yaml", "train.learning_rate=1e-3", "--resume", "--json"});
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.err.find("learning_rate"), std::string::npos) << other.err;
  EXPECT_EQ(weights(), before);

  const Outcome replaced =
      run({"train", "run.yaml", "train.learning_rate=1e-3", "--overwrite", "--json"});
  EXPECT_EQ(replaced.code, 0) << replaced.err;
  EXPECT_NE(weights(), before);
  EXPECT_EQ(metrics().size(), 4u) << "the old run's lines are gone";
}

TEST_F(Train, ResumeOfChangedDataIsRefused) {
  write_config("run.yaml");
  ASSERT_EQ(run({"train", "run.yaml"}).code, 0);
  write_dataset("train.json", 12);
  const Outcome outcome = run({"train", "run.yaml", "--resume"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("data"), std::string::npos) << outcome.err;
}

TEST_F(Train, ASetSmallerThanABatchTrains) {
  write_dataset("train.json", 3);
  write_config("run.yaml");
  const Outcome outcome =
      run({"train", "run.yaml", "train.batch_size=32", "train.epochs=2", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.last_line()["metrics"]["steps"], 2);
}

TEST_F(Train, FailureLeavesThePreviousArtifact) {
  write_config("run.yaml");
  ASSERT_EQ(run({"train", "run.yaml"}).code, 0);
  const std::string before = weights();
  const Outcome diverged =
      run({"train", "run.yaml", "train.learning_rate=1e30", "train.max_grad_norm=0",
           "train.warmup_ratio=0", "train.epochs=20", "--overwrite", "--json"});
  EXPECT_EQ(diverged.code, 5) << diverged.err;
  EXPECT_EQ(diverged.last_line()["status"], "failed");
  EXPECT_EQ(weights(), before);
}

TEST_F(Train, BadDataIsRefusedBeforeAnythingIsWritten) {
  spit(folder_ / "train.json",
       R"({"queries": {"q": "a"}, "corpus": {"d": "x"}, "relevant_docs": {"q": ["e"]}})");
  write_config("run.yaml");
  EXPECT_EQ(run({"train", "run.yaml"}).code, 3);
  EXPECT_EQ(run({"train", "run.yaml", "data.train=absent.json"}).code, 3);
  EXPECT_FALSE(fs::exists(folder_ / "out" / "metrics.jsonl"));
  write_dataset("train.json", 8);
  EXPECT_EQ(run({"train", "run.yaml"}).code, 0)
      << "a refused run leaves nothing that needs --overwrite";
}

TEST_F(Train, AnOutputThatCannotBeMade) {
  write_config("run.yaml");
  for (const std::string output : {"train.json/below", "/proc/nowhere/out"}) {
    const Outcome outcome = run({"train", "run.yaml", "output=" + output});
    EXPECT_EQ(outcome.code, 4) << outcome.err;
    EXPECT_NE(outcome.err.find(output), std::string::npos) << outcome.err;
  }
}

TEST_F(Train, SignalsStopBetweenStepsAndResumeGoesOn) {
  write_config("run.yaml", "  sampler: default\n");
  const std::vector<std::string> arguments = {"train", "run.yaml", "train.epochs=200", "--json"};
  for (const auto& [signal, code] : {std::pair{SIGTERM, 143}, std::pair{SIGINT, 130}}) {
    fs::remove_all(folder_ / "out");
    const Process process = start(arguments);
    wait_for(folder_ / "out" / "metrics.jsonl");
    process.send(signal);
    const Outcome stopped = process.wait();
    EXPECT_EQ(stopped.code, code) << stopped.err;
    EXPECT_EQ(stopped.last_line()["status"], "failed");
    EXPECT_NE(stopped.err.find("--resume"), std::string::npos) << stopped.err;
    EXPECT_FALSE(fs::exists(folder_ / "out" / "artifact"));
  }
  auto again = arguments;
  again.push_back("--resume");
  const Outcome resumed = run(again);
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  auto whole = arguments;
  whole.push_back("output=whole");
  ASSERT_EQ(run(whole).code, 0);
  EXPECT_EQ(weights("out"), weights("whole")) << "bit for bit";
}

TEST_F(Train, KilledRunResumesFromItsNewestCheckpoint) {
  write_config("run.yaml", "  checkpoint_steps: 20\n");
  const std::vector<std::string> arguments = {"train", "run.yaml", "train.epochs=200", "--json"};
  const Process process = start(arguments);
  wait_for(folder_ / "out" / "checkpoints");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  process.send(SIGKILL);
  ASSERT_EQ(process.wait().code, 128 + SIGKILL) << "the run was too short to be killed";
  auto again = arguments;
  again.push_back("--resume");
  const Outcome resumed = run(again);
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("going on at step"), std::string::npos) << resumed.err;
  auto whole = arguments;
  whole.push_back("output=whole");
  ASSERT_EQ(run(whole).code, 0);
  EXPECT_EQ(weights("out"), weights("whole")) << "bit for bit";
  std::vector<int> steps;
  for (const Json& line : metrics()) steps.push_back(line["step"]);
  ASSERT_EQ(steps.size(), 800u);
  for (int i = 0; i < 800; ++i) ASSERT_EQ(steps[i], i + 1) << "no step twice, none missing";
}

TEST_F(Train, TwoAtOnceInOneOutputAreRefused) {
  write_config("run.yaml");
  const Process process = start({"train", "run.yaml", "train.epochs=2000"});
  wait_for(folder_ / "out" / ".lock");
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  fs::create_directories(folder_ / "second");
  const Outcome second =
      Process(folder_ / "second",
              {"train", "../run.yaml", "data.train=../train.json", "output=../out", "--overwrite"},
              "")
          .wait();
  process.send(SIGKILL);
  process.wait();
  EXPECT_EQ(second.code, 4) << second.err;
  EXPECT_NE(second.err.find("another attune"), std::string::npos) << second.err;
}

TEST_F(Train, RunEndsWithTheTableAndTheWayToLoad) {
  write_dataset("test.json", 10);
  write_config("run.yaml", "", "evaluate:\n  k: [1, 10]\n");
  const Outcome outcome = run({"run", "run.yaml", "data.test=test.json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* said :
       {"base", "finetuned", "bm25", "mrr@10", "95 % interval", "SentenceTransformer("})
    EXPECT_NE(outcome.out.find(said), std::string::npos) << said << "\n" << outcome.out;
  EXPECT_EQ(read_json_file(folder_ / "out" / "evaluation.json")["models"].size(), 3u);
  const Outcome again = run({"run", "run.yaml", "data.test=test.json"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.out, outcome.out);
  EXPECT_NE(again.err.find("train: unchanged"), std::string::npos) << again.err;
  EXPECT_NE(again.err.find("evaluate: unchanged"), std::string::npos) << again.err;
}

}  // namespace
}  // namespace attune::test
