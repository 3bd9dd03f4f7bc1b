#include "core/job_registry.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <random>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "core/process_identity.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

using enum JobStatus;

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// Runs `work` in a process of its own, which ends without destructors, as after a kill.
int in_another_process(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      work();
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

class JobRegistryTest : public testing::Test {
 protected:
  JobRegistryTest() : path_(scratch_ / "state/jobs.sqlite") {}
  JobRequest request(const std::string& name = "one") const {
    return {name, scratch_ / name, scratch_.path(), {"run", name + ".yaml"}, "a/base", "c0ffee"};
  }
  std::string artifact() const {
    write_file_durably(scratch_ / "one/artifact/attune.json", "{}");
    return scratch_ / "one/artifact";
  }

  Scratch scratch_;
  std::string path_;
};

TEST_F(JobRegistryTest, AJobIsFoundAgainWithWhatItIsAndWhatHappened) {
  std::string id;
  {
    JobRegistry registry(path_);
    const Job queued = registry.submit(request());
    id = queued.id;
    EXPECT_EQ(queued.status, kQueued);
    EXPECT_EQ(registry.take()->id, id);
    EXPECT_FALSE(registry.take().has_value());
    registry.progress(id, 3, 10);
    registry.add_event(id, "warning", "it is warm");
    registry.succeed(id, artifact(), {{"ndcg@10", 0.5}});
  }
  JobRegistry registry(path_);
  const Job job = *registry.find(id);
  EXPECT_EQ(job.status, kSucceeded);
  EXPECT_EQ(registry.find(job.model_id)->id, id);
  EXPECT_EQ(job.model_id, "model-" + id.substr(4));
  EXPECT_EQ(job.request.command, (std::vector<std::string>{"run", "one.yaml"}));
  EXPECT_EQ(job.step, 3);
  EXPECT_EQ(job.artifact, artifact());
  EXPECT_EQ(job.metrics["ndcg@10"], 0.5);
  EXPECT_GE(job.finished_at, job.started_at);
  std::vector<std::string> told;
  for (const JobEvent& event : registry.events(id)) told.push_back(event.message);
  EXPECT_EQ(told, (std::vector<std::string>{"queued", "begun", "it is warm", "succeeded"}));
  EXPECT_EQ(registry.events(id, 3).size(), 1u);
}

TEST_F(JobRegistryTest, EveryMoveIsLegalOrRefusedWithIdAndStatus) {
  const std::vector<JobStatus> all = {kQueued, kRunning,   kSucceeded,
                                      kFailed, kCancelled, kInterrupted};
  JobRegistry registry(path_);
  const auto brought_to = [&](JobStatus status) {
    const Job job = status == kQueued ? registry.submit(request()) : registry.begin(request());
    if (status == kSucceeded) registry.succeed(job.id, artifact(), Json::object());
    if (status == kFailed || status == kCancelled || status == kInterrupted)
      registry.end(job.id, status, "why");
    return job.id;
  };
  for (const JobStatus from : all)
    for (const JobStatus to : all) {
      const std::string id = brought_to(from);
      ASSERT_EQ(registry.find(id)->status, from);
      const std::string message = message_of([&] {
        if (to == kQueued) registry.queue_again(id);
        if (to == kRunning) registry.begin_again(id);
        if (to == kSucceeded) registry.succeed(id, artifact(), Json::object());
        if (to == kFailed || to == kCancelled || to == kInterrupted) registry.end(id, to, "why");
      });
      const std::string move = std::string(name_of(from)) + " to " + name_of(to);
      if (may_become(from, to)) {
        EXPECT_EQ(registry.find(id)->status, to) << move << message;
      } else {
        EXPECT_EQ(registry.find(id)->status, from) << move;
        EXPECT_NE(message.find(id), std::string::npos) << message;
        EXPECT_NE(message.find(name_of(from)), std::string::npos) << message;
      }
      // Out of the way of take().
      if (!has_ended(registry.find(id)->status)) registry.cancel(id);
    }
}

TEST_F(JobRegistryTest, IsNeverAheadOfTheArtifact) {
  JobRegistry registry(path_);
  const std::string id = registry.begin(request()).id;
  EXPECT_NE(message_of([&] {
              registry.succeed(id, scratch_ / "nowhere", Json::object());
            }).find("nowhere"),
            std::string::npos);
  EXPECT_EQ(registry.find(id)->status, kRunning);
}

TEST_F(JobRegistryTest, AJobWhoseProcessIsGoneIsInterrupted) {
  std::string id;
  ASSERT_EQ(in_another_process([&] {
              JobRegistry registry(path_);
              write_file_durably(scratch_ / "id", registry.begin(request()).id);
            }),
            0);
  id = read_file(scratch_ / "id");
  JobRegistry registry(path_);
  EXPECT_EQ(registry.list().at(0).status, kInterrupted);
  EXPECT_EQ(registry.events(id).back().status, "interrupted");
  EXPECT_EQ(registry.begin_again(id).status, kRunning);
  EXPECT_EQ(registry.find(id)->status, kRunning) << "this process lives";
}

TEST_F(JobRegistryTest, IsHandedOverByTheProcessThatHasItAndByNoOther) {
  const std::string id = JobRegistry(path_).submit(request()).id;
  JobRegistry(path_).take();
  EXPECT_NE(
      message_of([&] { JobRegistry(path_).take_over(id, "another process"); }).find("is running"),
      std::string::npos);
  // A child takes it over and ends: the job ran there, not here.
  ASSERT_EQ(in_another_process([&] { JobRegistry(path_).take_over(id, parent_process()); }), 0);
  JobRegistry registry(path_);
  EXPECT_EQ(registry.find(id)->status, kInterrupted);
  EXPECT_NE(message_of([&] { registry.take_over(id, this_process()); }).find("is interrupted"),
            std::string::npos);
}

TEST_F(JobRegistryTest, CancellingAsksARunningJobAndEndsAQueuedOne) {
  JobRegistry registry(path_);
  const std::string running = registry.begin(request()).id, queued = registry.submit(request()).id;
  EXPECT_TRUE(registry.cancel(running).cancel_requested);
  EXPECT_EQ(registry.find(running)->status, kRunning);
  EXPECT_EQ(registry.cancel(queued).status, kCancelled);
  EXPECT_NE(message_of([&] { registry.remove(running); }).find("cancel it first"),
            std::string::npos);
  registry.end(running, kCancelled, "stopped");
  registry.remove(running);
  EXPECT_FALSE(registry.find(running).has_value());
  EXPECT_EQ(registry.list().size(), 1u);
}

TEST_F(JobRegistryTest, RefusesWhatItDoesNotKnow) {
  JobRegistry registry(path_);
  const std::string id = registry.submit(request()).id;
  std::string wrong = id;
  wrong.back() = wrong.back() == '0' ? '1' : '0';
  EXPECT_NE(message_of([&] { registry.get(wrong); }).find("did you mean " + id), std::string::npos);
  EXPECT_THROW(registry.get("'; DROP TABLE jobs; --"), Error);
  EXPECT_EQ(registry.list().size(), 1u);

  write_file_durably(scratch_ / "text", std::string(5000, 'x'));
  EXPECT_NE(message_of([&] { JobRegistry other(scratch_ / "text"); }).find("move it away"),
            std::string::npos);
  EXPECT_THROW(JobRegistry(scratch_ / "text/below.sqlite"), Error);
  Database(scratch_ / "new.sqlite").run("PRAGMA user_version=99");
  EXPECT_NE(message_of([&] { JobRegistry other(scratch_ / "new.sqlite"); }).find("newer attune"),
            std::string::npos);
}

TEST_F(JobRegistryTest, HoldsTextAloneAndRefusesWhatItHasNotWritten) {
  JobRegistry registry(path_);
  const std::string bytes = "f\xff", id = registry.begin(request()).id;
  EXPECT_NE(message_of([&] { registry.begin(request(bytes)); }).find("not UTF-8"),
            std::string::npos);
  registry.add_event(id, "info", "read " + bytes);
  registry.end(id, kFailed, bytes + ": no such file");
  EXPECT_EQ(registry.get(id).error, "f\xef\xbf\xbd: no such file");
  for (const JobEvent& event : registry.events(id)) EXPECT_NO_THROW(Json(event.message).dump());
  for (const char* change : {"status = 'asleep'", "command = '[3]'", "command = '[]'"}) {
    Database(path_).run(std::string("UPDATE jobs SET status = 'failed', command = '[\"run\"]', ") +
                        change);
    EXPECT_NE(message_of([&] { registry.get(id); }).find(id), std::string::npos) << change;
  }
  EXPECT_TRUE(is_job_id(id));
  for (const char* other : {"job-", "job-0123456789aB", "model-0123456789abc", "model-minilm"})
    EXPECT_FALSE(is_job_id(other)) << other;
}

TEST(ProcessIdentity, KnowsTheLivingFromTheGone) {
  EXPECT_EQ(liveness(this_process()), Liveness::kAlive);
  Scratch scratch;
  in_another_process([&] { write_file_durably(scratch / "id", this_process()); });
  EXPECT_EQ(liveness(read_file(scratch / "id")), Liveness::kGone);
  EXPECT_EQ(liveness("another-boot pid:[1] 1 1"), Liveness::kGone);
  std::string elsewhere = this_process();
  elsewhere.replace(elsewhere.find("pid:["), 5, "pid:[9");
  EXPECT_EQ(liveness(elsewhere), Liveness::kUnknown);
  EXPECT_EQ(liveness(""), Liveness::kUnknown);
}

// Writes one line for each change after it is committed: what the registry has told must be there.
class Acknowledged {
 public:
  explicit Acknowledged(const std::string& path) : file_(path) {}
  void tell(const std::string& id, const char* status) { file_.append_line(id + " " + status); }

 private:
  AppendFile file_;
};

void make_changes(const std::string& folder, int process, int changes, std::uint64_t seed) {
  JobRegistry registry(folder + "/jobs.sqlite");
  Acknowledged told(folder + "/told-" + std::to_string(process) + "-" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int done = 0; done < changes; ++done) {
    if (random() % 3 == 0)
      told.tell(registry.submit({"many", folder, folder, {"run", "a.yaml"}, "", ""}).id, "queued");
    const std::optional<Job> job = registry.take();
    if (!job) continue;
    told.tell(job->id, "running");
    registry.progress(job->id, done, changes);
    switch (random() % 4) {
      case 0:
        registry.succeed(job->id, folder + "/artifact", Json::object());
        told.tell(job->id, "succeeded");
        break;
      case 1:
        registry.end(job->id, kFailed, "for a test");
        told.tell(job->id, "failed");
        registry.queue_again(job->id);
        told.tell(job->id, "queued");
        break;
      case 2:
        registry.end(job->id, kCancelled, "for a test");
        told.tell(job->id, "cancelled");
        break;
      default:
        registry.end(job->id, kInterrupted, "for a test");
        told.tell(job->id, "interrupted");
    }
  }
}

// `processes` at once, each `changes` rounds, killed at random and begun again.
void torture(int processes, int changes) {
  Scratch scratch;
  write_file_durably(scratch / "artifact/attune.json", "{}");
  {
    JobRegistry made(scratch / "jobs.sqlite");
  }
  std::mt19937_64 random(1);
  std::map<pid_t, std::pair<int, int>> running;  // which one, its kills
  std::uint64_t seed = 0;
  const auto start = [&](int process, int kills) {
    ++seed;
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        make_changes(scratch.path(), process, changes, seed);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        ::_exit(1);
      }
      ::_exit(0);
    }
    running[child] = {process, kills};
  };
  for (int process = 0; process < processes; ++process) start(process, 0);
  int killed = 0;
  while (!running.empty()) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, WNOHANG);
    if (ended > 0) {
      const auto [process, kills] = running.at(ended);
      running.erase(ended);
      if (WIFSIGNALED(status))
        start(process, kills + 1);
      else
        ASSERT_EQ(WEXITSTATUS(status), 0);
      continue;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    auto victim = running.begin();
    std::advance(victim, static_cast<long>(random() % running.size()));
    if (victim->second.second < 3 && random() % 4 == 0)
      killed += ::kill(victim->first, SIGKILL) == 0;
  }
  EXPECT_GT(killed, processes / 2);

  JobRegistry registry(scratch / "jobs.sqlite");
  std::map<std::string, std::multiset<std::string>> brought;
  for (const Job& job : registry.list()) {
    EXPECT_NE(job.status, kRunning) << job.id << ": its process is gone";
    std::string before;
    for (const JobEvent& event : registry.events(job.id)) {
      const auto of = [](const std::string& name) {
        for (const JobStatus status :
             {kQueued, kRunning, kSucceeded, kFailed, kCancelled, kInterrupted})
          if (name == name_of(status)) return status;
        throw InternalError(name);
      };
      if (event.status.empty()) continue;
      if (before.empty())
        EXPECT_EQ(event.status, "queued");
      else
        EXPECT_TRUE(may_become(of(before), of(event.status))) << before << " " << event.status;
      before = event.status;
      brought[job.id].insert(event.status);
    }
    EXPECT_EQ(before, name_of(job.status));
  }
  std::size_t lost = 0, told = 0;
  for (const std::string& name : scratch.names()) {
    if (name.rfind("told-", 0) != 0) continue;
    std::istringstream lines(read_file(scratch / name));
    for (std::string id, status; lines >> id >> status; ++told) {
      const auto at = brought[id].find(status);
      if (at == brought[id].end())
        ++lost;
      else
        brought[id].erase(at);
    }
  }
  EXPECT_EQ(lost, 0u) << "of " << told;
  EXPECT_GT(told, static_cast<std::size_t>(processes * changes / 2));
  std::printf("%d processes, %d kills, %zu changes told, %zu lost\n", processes, killed, told,
              lost);
}

// ctest -L campaign: 32 processes, 1,000 rounds each.
TEST(JobRegistryTorture, ManyProcessesAndKillsLoseNothing) {
  const char* changes = std::getenv("ATTUNE_JOB_CHANGES");
  torture(changes ? 32 : 8, changes ? std::atoi(changes) : 40);
}

}  // namespace
}  // namespace attune
