// `--dry-run`: what it tells, what it refuses, and that it writes nothing.
#include <sys/resource.h>

#include <set>

#include "tests/apps/program.h"

namespace attune::test {
namespace {

class DryRun : public ProgramTest {
 protected:
  DryRun() {
    write_dataset("train.json", 30);
    write_dataset("validation.json", 6);
    write_config("run.yaml");
  }
  std::set<std::string> files() const {
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_))
      if (entry.path().filename() != "stdout" && entry.path().filename() != "stderr")
        found.insert(entry.path().string());
    return found;
  }
};

TEST_F(DryRun, TellsWithoutWriting) {
  const auto before = files();
  const Outcome outcome = run({"train", "run.yaml", "data.validation=validation.json",
                               "train.checkpoint_steps=5", "--dry-run", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(files(), before);
  const Json told = outcome.last_line();
  EXPECT_EQ(told["status"], "dry_run");
  EXPECT_EQ(told["run"], "out");
  EXPECT_EQ(told["pairs"], 30);
  EXPECT_EQ(told["steps"], 8);
  EXPECT_EQ(told["chunk_tokens"], 0);
  for (const char* key : {"tokens_per_epoch", "tokens_per_step_max", "memory_bytes",
                          "available_memory_bytes", "free_disk_bytes"})
    EXPECT_GT(told[key].get<std::int64_t>(), 0) << key;
  for (const char* key : {"training_seconds", "evaluation_seconds"})
    EXPECT_GT(told[key].get<double>(), 0) << key;
}

TEST_F(DryRun, AgreesWithTheRun) {
  const Json told = run({"train", "run.yaml", "--dry-run", "--json"}).last_line();
  const Outcome outcome = run({"train", "run.yaml", "train.checkpoint_steps=3", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.last_line()["metrics"]["steps"], told["steps"]);
  std::istringstream lines(slurp(folder_ / "out" / "metrics.jsonl"));
  std::int64_t tokens = 0, most = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto step = parse_json(line, "metrics.jsonl")["tokens"].get<std::int64_t>();
    tokens += step;
    most = std::max(most, step);
  }
  EXPECT_EQ(told["tokens_per_epoch"], tokens);
  EXPECT_EQ(told["tokens_per_step_max"], most);
  const auto model =
      static_cast<double>(fs::file_size(folder_ / "out" / "artifact" / "model.safetensors"));
  EXPECT_NEAR(told["model_bytes"].get<double>(), model, 0.2 * model);
  // A stopped run's one checkpoint.
  const auto state = static_cast<double>(
      fs::file_size(folder_ / "out" / "checkpoints" / "step-00000006" / "state.safetensors"));
  EXPECT_NEAR(told["checkpoint_bytes"].get<double>(), state, 0.05 * state);
}

TEST_F(DryRun, OfAWholeRunAndForPeople) {
  write_config("whole.yaml", "", "evaluate: {k: [1, 10]}\n");
  const auto before = files();
  const Outcome outcome = run({"run", "whole.yaml", "data.test=validation.json", "--dry-run"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(files(), before);
  for (const char* part : {"nothing was written", "8 steps", "tokens", "memory", "time", "disk"})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << outcome.out;
  EXPECT_EQ(run({"run", "whole.yaml", "data.test=validation.json", "--json"}).code, 2);
}

TEST_F(DryRun, OfAnAdapter) {
  const auto before = files();
  const Outcome outcome = run({"train", "run.yaml", "train.mode=adapter", "--dry-run", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(files(), before);
  EXPECT_EQ(outcome.last_line()["steps"], 8);
  EXPECT_GT(outcome.last_line()["training_seconds"].get<double>(), 0);
}

TEST_F(DryRun, RefusesAnOutputThatHoldsARunAsTrainingDoes) {
  ASSERT_EQ(run({"train", "run.yaml"}).code, 0);
  EXPECT_EQ(run({"train", "run.yaml", "--dry-run"}).code, 2);
  EXPECT_EQ(run({"train", "run.yaml", "--dry-run", "--overwrite"}).code, 0);
}

TEST_F(DryRun, RefusesWhatTheDiskCannotHold) {
  // /proc has no room at all.
  const Outcome outcome = run({"train", "run.yaml", "output=/proc/attune", "--dry-run", "--json"});
  EXPECT_EQ(outcome.code, 4) << outcome.out;
  EXPECT_EQ(outcome.last_line()["status"], "failed");
  for (const char* part : {"/proc/attune", "MiB", "checkpoint_steps"})
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
}

TEST_F(DryRun, RefusesWeightsThatTheMemoryCannotHold) {
  fs::copy(kTinyModel, folder_ / "big", fs::copy_options::recursive);
  fs::permissions(folder_ / "big" / "model.safetensors", fs::perms::owner_all);
  fs::resize_file(folder_ / "big" / "model.safetensors", std::uintmax_t{1} << 40);  // sparse
  const Outcome outcome = run({"train", "run.yaml", "model.base=big", "--dry-run"});
  EXPECT_EQ(outcome.code, 4) << outcome.out;
  for (const char* part : {"1024.0 GiB", "4096.0 GiB", "smaller model"})
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
}

TEST_F(DryRun, WithoutATrainingThereIsNothingToTell) {
  spit(folder_ / "none.yaml",
       "version: 1\nname: none\ndocuments: {paths: [.]}\ngenerate: {}\nmodel: {base: " +
           kTinyModel + "}\n");
  const Outcome outcome = run({"run", "none.yaml", "--dry-run"});
  EXPECT_EQ(outcome.code, 2) << outcome.err;
  EXPECT_NE(outcome.err.find("train"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace attune::test
