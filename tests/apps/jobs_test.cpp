// `attune jobs`, and what every run leaves in the registry.
#include <set>

#include "core/database.h"
#include "tests/apps/program.h"

namespace attune::test {
namespace {

class Jobs : public ProgramTest {
 protected:
  Jobs() {
    write_dataset("train.json", 12);
    write_config("tiny.yaml", "  max_steps: 3\n");
    spit(folder_ / "texts.txt", "where is item 3 kept?\n");
  }
  Json job(const std::string& id) const { return run({"jobs", "show", id, "--json"}).last_line(); }
  std::string submit(const std::vector<std::string>& overrides = {}) const {
    std::vector<std::string> words = {"jobs", "submit", "tiny.yaml"};
    words.insert(words.end(), overrides.begin(), overrides.end());
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out.substr(0, outcome.out.find('\n'));
  }
  Outcome embed(const std::string& model) const {
    return run({"embed", "--model", model, "--input", "texts.txt", "--output", "v.npy"});
  }
};

TEST_F(Jobs, EveryTrainingIsAJobWhoseModelIsFoundByItsId) {
  ASSERT_EQ(run({"train", "tiny.yaml"}).code, 0);
  const Json jobs = run({"jobs", "list", "--json"}).last_line();
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(jobs[0]["status"], "succeeded");
  EXPECT_EQ(jobs[0]["step"], 3);
  EXPECT_EQ(jobs[0]["total_steps"], 3);
  EXPECT_GT(jobs[0]["metrics"]["final_loss"].get<double>(), 0);
  for (const char* id : {"id", "model_id"}) EXPECT_EQ(embed(jobs[0][id]).code, 0);
  // As the base of the next one.
  const Outcome next = run({"train", "tiny.yaml", "output=next",
                            "model.base=" + jobs[0]["model_id"].get<std::string>()});
  EXPECT_EQ(next.code, 0) << next.err;
}

TEST_F(Jobs, AWorkerDoesWhatIsQueuedWithTheConfigurationOfThatTime) {
  const std::string first = submit(), second = submit({"output=other", "train.max_steps=2"});
  fs::remove(folder_ / "tiny.yaml");
  EXPECT_EQ(job(first)["status"], "queued");
  const Outcome worked =
      run({"jobs", "worker", "--drain", "--hook",
           "echo $ATTUNE_JOB $ATTUNE_JOB_STATUS ${ATTUNE_TAKE_JOB-none} >>ended"});
  EXPECT_EQ(worked.code, 0) << worked.err;
  EXPECT_EQ(slurp(folder_ / "ended"), first + " succeeded none\n" + second + " succeeded none\n");
  EXPECT_EQ(job(second)["total_steps"], 2);
  EXPECT_TRUE(fs::exists(folder_ / "other" / "artifact" / "attune.json"));
  const Outcome waited = run({"jobs", "wait", first, second});
  EXPECT_EQ(waited.code, 0) << waited.err;
  EXPECT_EQ(waited.out, job(first)["model_id"].get<std::string>() + "\n" +
                            job(second)["model_id"].get<std::string>() + "\n");
}

TEST_F(Jobs, TwoWorkersDoEachJobOnceAndGoOnAfterOneThatCannotBegin) {
  const std::string first = submit(), second = submit({"output=other"});
  const std::string broken = submit({"output=broken"});
  std::string kept = job(broken)["command"][1];
  spit(kept, "version: 99\n");
  const std::vector<std::string> words = {"jobs", "worker", "--drain", "--hook",
                                          "echo $ATTUNE_JOB $ATTUNE_JOB_STATUS >>ended"};
  const Process other = start(words);
  const int code = Process(folder_, words, (folder_ / "stdout2").string()).wait().code;
  EXPECT_EQ(other.wait().code, 0);
  EXPECT_EQ(code, 0);
  std::istringstream lines(slurp(folder_ / "ended"));
  std::multiset<std::string> ended;
  for (std::string line; std::getline(lines, line);) ended.insert(line);
  EXPECT_EQ(ended, (std::multiset<std::string>{first + " succeeded", second + " succeeded",
                                               broken + " failed"}));
  EXPECT_NE(job(broken)["error"].get<std::string>().find("ended with code 2 before"),
            std::string::npos)
      << job(broken);
}

TEST_F(Jobs, AWorkerGoesOnAfterAFolderThatIsGoneAHookThatFailsAndAKilledJob) {
  fs::create_directories(folder_ / "gone");
  spit(folder_ / "gone" / "tiny.yaml", slurp(folder_ / "tiny.yaml"));
  const Outcome there = Process(folder_ / "gone", {"jobs", "submit", "tiny.yaml"}, "").wait();
  ASSERT_EQ(there.code, 0) << there.err;
  fs::create_directories(folder_ / "home");
  for (const char* name : {"jobs.sqlite", "configs"})
    fs::rename(folder_ / "gone" / "home" / name, folder_ / "home" / name);
  const std::string of_folder = there.out.substr(0, there.out.find('\n'));
  fs::remove_all(folder_ / "gone");
  const std::string killed = submit({"output=killed", "train.epochs=4000", "train.max_steps=4000"});
  const std::string last = submit();
  // The hook kills no job: it is told of each and fails.
  const Process worker =
      start({"jobs", "worker", "--drain", "--hook", "echo $ATTUNE_JOB_STATUS >>ended; exit 3"});
  for (int i = 0; i < 500 && job(killed)["step"].get<int>() < 1; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  Database registry((folder_ / "home" / "jobs.sqlite").string());
  const auto process = registry.run("SELECT process FROM jobs WHERE id = ?", {killed});
  std::istringstream words(std::get<std::string>(process[0][0]));
  std::string boot, space;
  pid_t pid = 0;
  words >> boot >> space >> pid;
  ASSERT_GT(pid, 1);
  ::kill(pid, SIGKILL);
  const Outcome worked = worker.wait();
  EXPECT_EQ(worked.code, 0) << worked.err;
  EXPECT_EQ(slurp(folder_ / "ended"), "failed\ninterrupted\nsucceeded\n");
  EXPECT_NE(worked.err.find("the worker's hook ended with code 3"), std::string::npos)
      << worked.err;
  EXPECT_NE(run({"jobs", "events", last}).out.find("hook ended with code 3"), std::string::npos);
  EXPECT_NE(job(of_folder)["error"].get<std::string>().find("submitted in is gone"),
            std::string::npos)
      << job(of_folder);
  EXPECT_EQ(job(killed)["status"], "interrupted");
}

TEST_F(Jobs, ARunThatHasNothingToDoIsNoJob) {
  ASSERT_EQ(run({"run", "tiny.yaml"}).code, 0);
  ASSERT_EQ(run({"run", "tiny.yaml"}).code, 0);
  EXPECT_EQ(run({"jobs", "list", "--json"}).last_line().size(), 1u);
  const std::string submitted = submit();
  ASSERT_EQ(run({"jobs", "worker", "--drain"}).code, 0);
  EXPECT_EQ(job(submitted)["status"], "succeeded") << "whoever has submitted it waits for it";
}

TEST_F(Jobs, AModelThatIsNotReadyIsRefusedByIdAndStatus) {
  const auto expect_refused = [&](const std::string& id, const std::string& status, int code) {
    const Outcome outcome = embed(id);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_NE(outcome.err.find(id), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find(status), std::string::npos) << outcome.err;
  };
  const std::string queued = submit(), cancelled = submit({"output=b"});
  EXPECT_EQ(run({"jobs", "cancel", cancelled}).code, 0);
  expect_refused(queued, "queued", 2);
  expect_refused(cancelled, "cancelled", 2);

  const std::string failed = submit({"output=c", "data.train=missing.json"});
  EXPECT_EQ(run({"jobs", "worker", "--drain"}).code, 0);
  expect_refused(failed, "missing.json", 2);
  const Outcome waited = run({"jobs", "wait", failed});
  EXPECT_EQ(waited.code, 1);
  EXPECT_NE(waited.err.find("missing.json"), std::string::npos) << waited.err;

  EXPECT_EQ(embed(queued).code, 0) << "it has succeeded by now";
  fs::remove_all(folder_ / "out" / "artifact");
  expect_refused(queued, "is gone", 3);
  const Outcome unknown = embed("job-000000000000");
  EXPECT_NE(unknown.code, 0);
}

TEST_F(Jobs, AKilledRunIsInterruptedAndGoesOn) {
  write_config("tiny.yaml", "  max_steps: 4000\n  checkpoint_steps: 1\n");
  const Process process = start({"train", "tiny.yaml", "train.epochs=4000"});
  wait_for(folder_ / "out" / "metrics.jsonl");
  process.send(SIGKILL);
  process.wait();
  const Json killed = run({"jobs", "list", "--json"}).last_line()[0];
  EXPECT_EQ(killed["status"], "interrupted");
  const std::string id = killed["id"];
  EXPECT_NE(run({"jobs", "show", id}).out.find("attune jobs resume " + id), std::string::npos);
  EXPECT_EQ(run({"jobs", "resume", id}).code, 0);
  EXPECT_EQ(job(id)["status"], "queued");

  // Asked to stop it ends after its step, and says so.
  const Process worker = start({"jobs", "worker", "--drain"});
  for (int i = 0; i < 500 && job(id)["step"].get<int>() < 3; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(run({"jobs", "cancel", id}).code, 0);
  EXPECT_EQ(run({"jobs", "wait", id}).code, 1);
  EXPECT_EQ(job(id)["status"], "cancelled");
  const std::string final = run({"jobs", "resume", id}).err;
  EXPECT_NE(final.find("`attune jobs submit "), std::string::npos) << final;
  EXPECT_EQ(worker.wait().code, 0);
  EXPECT_NE(run({"jobs", "events", id}).out.find("asked to stop"), std::string::npos);
  EXPECT_EQ(run({"jobs", "rm", id}).code, 0);
  EXPECT_EQ(run({"jobs", "list"}).out, "");
}

TEST_F(Jobs, MistakesAreNamed) {
  const std::string id = submit();
  std::string wrong = id;
  wrong.back() = wrong.back() == '0' ? '1' : '0';
  for (const char* verb : {"show", "events", "wait", "cancel", "resume", "rm"}) {
    const Outcome outcome = run({"jobs", verb, wrong});
    EXPECT_EQ(outcome.code, 2) << verb << outcome.err;
    EXPECT_NE(outcome.err.find("did you mean " + id), std::string::npos) << outcome.err;
  }
  EXPECT_EQ(run({"jobs", "resume", id}).code, 2) << "it is queued already";
  EXPECT_EQ(run({"jobs", "submit", "nothing.yaml"}).code, 2);
  spit(folder_ / "home" / "jobs.sqlite", "not a database, but long enough to look like one ......");
  const Outcome damaged = run({"jobs", "list"});
  EXPECT_EQ(damaged.code, 3);
  EXPECT_NE(damaged.err.find("move it away"), std::string::npos) << damaged.err;
  // A run does not depend on it.
  const Outcome trained = run({"train", "tiny.yaml"});
  EXPECT_EQ(trained.code, 0);
  EXPECT_NE(trained.err.find("not in the registry"), std::string::npos) << trained.err;
}

}  // namespace
}  // namespace attune::test
