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
  const std::string told = run({"inspect", "out/artifact"}).out;
  EXPECT_NE(told.find("\"base_fingerprint\""), std::string::npos) << told;
  EXPECT_EQ(told.find("learning_rate"), std::string::npos) << "no wall of settings";
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
  for (const std::string cannot : {"train.json", "/proc/nowhere"}) {
    const Outcome outcome = run({"train", "run.yaml", "output=" + cannot + "/out"});
    EXPECT_EQ(outcome.code, 4) << outcome.err;
    EXPECT_NE(outcome.err.find(cannot + ": cannot make the directory"), std::string::npos)
        << outcome.err;
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

// What stands behind "to go on: ", run as a shell would run it.
int shell(const fs::path& folder, const std::string& said) {
  const std::string mark = "to go on: ";
  const std::size_t at = said.find(mark);
  if (at == std::string::npos) return -1;
  const std::string command = said.substr(at + mark.size(), said.find('\n', at) - at - mark.size());
  return std::system(("cd '" + folder.string() + "' && OMP_NUM_THREADS=1 " + command +
                      " > resumed.out 2> resumed.err")
                         .c_str());
}

TEST_F(Train, ThePrintedCommandGoesOn) {
  fs::rename(folder_ / "train.json", folder_ / "the pairs' file.json");
  write_config("run.yaml", "  sampler: default\n");
  const std::vector<std::string> arguments = {
      "train", "run.yaml", "--overwrite", "data.train=the pairs' file.json", "train.epochs=200"};
  const Process process = start(arguments);
  wait_for(folder_ / "out" / "metrics.jsonl");
  process.send(SIGINT);
  const Outcome stopped = process.wait();
  ASSERT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_EQ(shell(folder_, stopped.err), 0) << stopped.err << slurp(folder_ / "resumed.err");
  EXPECT_NE(slurp(folder_ / "resumed.err").find("going on at step"), std::string::npos);
  auto whole = arguments;
  whole.push_back("output=whole");
  ASSERT_EQ(run(whole).code, 0);
  EXPECT_EQ(weights("out"), weights("whole")) << "bit for bit";
}

class TrainSlowly : public Train {
 protected:
  // Something is written in `path` below the output: a file, or one of a folder's.
  bool has_bytes(const fs::path& path) const {
    std::error_code ignored;
    const fs::path place = folder_ / "out" / path;
    if (fs::is_regular_file(place, ignored)) return fs::file_size(place, ignored) > 0;
    for (const auto& entry : fs::directory_iterator(place, ignored))
      if (entry.file_size(ignored) > 0) return true;
    return false;
  }

  // Stopped by `signals` as soon as something is in `path`, then resumed. Returns what the stopped
  // one said.
  std::string stop_and_go_on(const std::vector<std::string>& arguments, const fs::path& path,
                             int signals) {
    fs::remove_all(folder_ / "out");
    const Process process = start(arguments);
    for (int i = 0; i < 10000 && !has_bytes(path); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    for (int i = 0; i < signals; ++i) {
      process.send(SIGTERM);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    const Outcome stopped = process.wait();
    EXPECT_EQ(stopped.code, 143) << stopped.err;
    EXPECT_FALSE(fs::exists(folder_ / "out" / "artifact"));
    // A second signal ends the process where it is, unless the first had its way already.
    if (signals == 1) {
      EXPECT_NE(stopped.err.find("to go on: "), std::string::npos) << stopped.err;
    }
    auto resumed = arguments;
    resumed.push_back("--resume");
    const Outcome rest = run(resumed);
    EXPECT_EQ(rest.code, 0) << rest.err;
    return stopped.err;
  }
};

TEST_F(TrainSlowly, SignalsDuringAnEvaluation) {
  write_dataset("validation.json", 8000);
  write_config("run.yaml", "  evaluate_steps: 1\n  max_steps: 2\n");
  const std::vector<std::string> arguments = {"train", "run.yaml",
                                              "data.validation=validation.json"};
  ASSERT_EQ(run(arguments).code, 0);
  const std::string whole = weights();
  const auto evaluations = metrics();
  for (const int signals : {1, 2}) {
    const std::string said = stop_and_go_on(arguments, "metrics.jsonl", signals);
    EXPECT_EQ(said.find("going on"), std::string::npos);
    EXPECT_EQ(weights(), whole) << "bit for bit, " << signals << " signals";
    ASSERT_EQ(metrics().size(), evaluations.size());
    for (std::size_t i = 0; i < evaluations.size(); ++i)
      EXPECT_EQ(metrics()[i]["event"], evaluations[i]["event"]);
  }
}

TEST_F(TrainSlowly, SignalsWhileTheBaseOfAnAdapterEmbeds) {
  write_dataset("train.json", 8000);
  write_config("run.yaml", "  mode: adapter\n  max_steps: 2\n");
  const std::vector<std::string> arguments = {"train", "run.yaml"};
  ASSERT_EQ(run(arguments).code, 0);
  const std::string whole = weights();
  for (const int signals : {1, 2}) {
    const std::string said = stop_and_go_on(arguments, "vectors", signals);
    if (signals == 1) {
      EXPECT_NE(said.find("of 8000 texts, which are kept"), std::string::npos) << said;
    }
    EXPECT_EQ(weights(), whole) << "bit for bit, " << signals << " signals";
  }
}

TEST_F(Train, StepsThatAreNotFiniteAreSkippedUntilTheyAreTooMany) {
  write_config("run.yaml", "  on_nonfinite: skip\n");
  const Outcome diverged =
      run({"train", "run.yaml", "train.learning_rate=1e30", "train.max_grad_norm=0",
           "train.warmup_ratio=0", "train.epochs=20"});
  EXPECT_EQ(diverged.code, 5) << diverged.err;
  EXPECT_NE(diverged.err.find("the 10 before it were skipped already"), std::string::npos)
      << diverged.err;
  EXPECT_FALSE(fs::exists(folder_ / "out" / "artifact"));
}

TEST_F(Train, PatienceWithoutAValidationSetIsRefused) {
  write_config("run.yaml", "  patience: 2\n");
  const Outcome outcome = run({"train", "run.yaml"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("train.patience"), std::string::npos) << outcome.err;
}

TEST_F(Train, WhatDecidesNoNumberMayChangeBeforeAResume) {
  write_config("run.yaml", "  checkpoint_steps: 2\n");
  ASSERT_EQ(run({"train", "run.yaml"}).code, 0);
  const Outcome resumed = run({"train", "run.yaml", "train.checkpoint_steps=1",
                               "train.keep_checkpoints=5", "train.tensorboard=true", "--resume"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(
      run({"train", "run.yaml", "train.patience=1", "data.validation=train.json", "--resume"}).code,
      2);
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
  EXPECT_NE(again.err.find("report: unchanged"), std::string::npos) << again.err;
}

TEST_F(Train, GatesDecideTheExitCode) {
  write_dataset("test.json", 10);
  write_config("run.yaml", "", "evaluate:\n  k: [1, 10]\n");
  const std::vector<std::string> base = {"run", "run.yaml", "data.test=test.json", "--fail-under"};
  const auto with = [&](const char* gate) {
    std::vector<std::string> words = base;
    words.push_back(gate);
    return run(words);
  };
  const Outcome typo = with("ndgc@10=0.5");
  EXPECT_EQ(typo.code, 2);
  EXPECT_NE(typo.err.find("did you mean 'ndcg@10'?"), std::string::npos) << typo.err;
  EXPECT_FALSE(fs::exists(folder_ / "out")) << "asked before the work";
  EXPECT_EQ(with("ndcg@10=0").code, 0);
  const Outcome missed = with("ndcg@10=1");
  EXPECT_EQ(missed.code, 1);
  EXPECT_NE(missed.err.find("gate not met"), std::string::npos) << missed.err;
  EXPECT_NE(missed.out.find("finetuned"), std::string::npos) << "the table comes first";

  const Outcome page = run({"report", "out", "--output", "page.html"});
  EXPECT_EQ(page.code, 0) << page.err;
  EXPECT_EQ(page.out, "page.html\n");
  EXPECT_EQ(slurp(folder_ / "page.html"), slurp(folder_ / "out" / "report.html"));
  EXPECT_EQ(run({"report", "out", "--fail-under", "ndcg@10=1"}).code, 1);
  EXPECT_EQ(run({"report", "out", "--fail-under", "ndcg@7=0"}).code, 2);
  EXPECT_EQ(run({"report", "absent"}).code, 3);
  const std::string sidecar = slurp(folder_ / "out/artifact/attune.json");
  spit(folder_ / "out/artifact/attune.json", sidecar + "\n");  // of a model trained since
  const Outcome stale = run({"report", "out", "--fail-under", "ndcg@10=0"});
  EXPECT_EQ(stale.code, 3) << "what was measured is another model";
  EXPECT_NE(stale.err.find("an earlier model than the one that is there now"), std::string::npos);
  spit(folder_ / "out/artifact/attune.json", sidecar);
  EXPECT_EQ(run({"report", "out", "absent"}).code, 2) << "where does the comparison go?";
  EXPECT_EQ(
      run({"run", "run.yaml", "evaluate.k=[3]", "data.test=test.json", "--fail-under", "ndcg@10=0"})
          .code,
      2);
}

}  // namespace
}  // namespace attune::test
