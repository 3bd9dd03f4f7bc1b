#include "apps/jobs_worker.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.h"
#include "core/log.h"

namespace attune {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{300};

std::string end_of(int status) {
  return WIFSIGNALED(status) ? str_cat("was ended by signal ", WTERMSIG(status))
                             : str_cat("ended with code ", WEXITSTATUS(status));
}

// With the variables ("NAME=value") after all others, and without those of an outer worker.
std::vector<char*> environment_with(const std::vector<std::string>& variables) {
  std::vector<char*> all;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (std::strncmp(*entry, "ATTUNE_JOB", 10) != 0) all.push_back(*entry);
  for (const std::string& variable : variables) all.push_back(const_cast<char*>(variable.c_str()));
  all.push_back(nullptr);
  return all;
}

}  // namespace

// The signals are blocked and waited for: none can come between two statements.
JobsWorker::JobsWorker(JobRegistry& registry, std::string hook)
    : registry_(registry), hook_(std::move(hook)) {
  ::signal(SIGCHLD, SIG_DFL);  // where it is ignored, there is nothing to wait for
  ::sigemptyset(&signals_);
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD}) ::sigaddset(&signals_, signal);
  ::sigprocmask(SIG_BLOCK, &signals_, &signals_before_);
}

std::optional<int> JobsWorker::wait_for_signal(std::chrono::milliseconds limit) const {
  const timespec time{limit.count() / 1000, limit.count() % 1000 * 1000000};
  const int signal = ::sigtimedwait(&signals_, nullptr, &time);
  return signal > 0 ? std::optional<int>(signal) : std::nullopt;
}

void JobsWorker::work(bool drain) {
  std::chrono::milliseconds pause{0};
  for (;;) {
    // Also one that came while a job ended: a service that is stopped signals both.
    if (const auto signal = wait_for_signal(pause); signal && *signal != SIGCHLD) stopped_ = true;
    if (stopped_) break;
    pause = std::chrono::milliseconds(0);
    if (const std::optional<Job> job = registry_.take())
      do_job(*job);
    else if (drain)
      return;
    else
      pause = kBetweenLooks;
  }
  throw_error(ErrorKind::kInterrupted, "the worker was stopped; what is queued stays so");
}

void JobsWorker::do_job(const Job& job) {
  log_info(str_cat("job ", job.id, ": ", job.request.name));
  std::vector<std::string> words = {"/proc/self/exe"};
  words.insert(words.end(), job.request.command.begin(), job.request.command.end());
  const std::string& folder = job.request.working_directory;
  std::string failure;
  int status = 0;
  try {
    std::error_code ignored;
    if (!std::filesystem::is_directory(folder, ignored))
      throw_error(
          ErrorKind::kData, folder,
          ": the folder that it was submitted in is gone; make it again, or submit it anew");
    status = run(words, folder, {"ATTUNE_TAKE_JOB=" + job.id});
    failure = "its process " + end_of(status) + " before it took the job over";
  } catch (const Error& error) {
    failure = error.what();
  }
  std::optional<Job> ended = registry_.find(job.id);
  if (ended && ended->status == JobStatus::kRunning) {  // by this process: nobody else has it
    registry_.end(job.id, stopped_ ? JobStatus::kInterrupted : JobStatus::kFailed, failure);
    ended = registry_.find(job.id);
  }
  if (!ended) return;  // somebody has removed it
  log_info(str_cat("job ", ended->id, ": ", name_of(ended->status),
                   ended->status == JobStatus::kInterrupted
                       ? "; `attune jobs resume " + ended->id + "` queues it again"
                       : ""));
  if (!hook_.empty()) run_hook(*ended);
}

void JobsWorker::run_hook(const Job& job) {
  const int status =
      run({"/bin/sh", "-c", hook_}, "",
          {"ATTUNE_JOB=" + job.id, str_cat("ATTUNE_JOB_STATUS=", name_of(job.status))});
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  const std::string told = "the worker's hook " + end_of(status);
  log_warning(str_cat("job ", job.id, ": ", told));
  if (registry_.find(job.id)) registry_.add_event(job.id, "warning", told);
}

int JobsWorker::run(const std::vector<std::string>& words, const std::string& folder,
                    const std::vector<std::string>& variables) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (!folder.empty()) ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  ::posix_spawn_file_actions_adddup2(&actions, 2, 1);  // stdout is the worker's own
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  ::posix_spawnattr_setsigmask(&attributes, &signals_before_);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, argv[0], &actions, &attributes, argv.data(),
                                  environment_with(variables).data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    throw_error(ErrorKind::kResources, argv[0], folder.empty() ? "" : " in " + folder,
                " cannot be started: ", std::strerror(error));
  int status = 0;
  for (;;) {  // until it is reaped its number is nobody else's
    const pid_t reaped = ::waitpid(child, &status, WNOHANG);
    if (reaped == child) return status;
    if (reaped < 0)
      throw_error(ErrorKind::kResources, argv[0], " cannot be waited for: ", std::strerror(errno));
    const auto signal = wait_for_signal(std::chrono::seconds(10));
    if (!signal || *signal == SIGCHLD) continue;
    stopped_ = true;
    ::kill(-child, *signal);
  }
}

}  // namespace attune
