// `attune jobs worker`: takes what is queued, one job after the other, each in a process of its
// own.
#pragma once

#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "core/job_registry.h"

namespace attune {

class JobsWorker {
 public:
  // `hook`, unless empty, is a command for the shell after each job, in the worker's folder and
  // with ATTUNE_JOB and ATTUNE_JOB_STATUS in its environment; it is waited for, and one that fails
  // is a warning and an event of the job. From here on SIGINT and SIGTERM are this object's.
  JobsWorker(JobRegistry& registry, std::string hook);

  // Until nothing is queued (`drain`), or for ever; one job that fails or is killed does not keep
  // the next from beginning. Error{kInterrupted} after SIGINT or SIGTERM, which are handed on to
  // the job: it ends after its step, with a checkpoint.
  void work(bool drain);

 private:
  void do_job(const Job& job);
  void run_hook(const Job& job);
  // In a process group of its own, so that a terminal's Ctrl-C reaches it once, from here; folder
  // "" is the worker's. Returns its status as waitpid() does.
  int run(const std::vector<std::string>& words, const std::string& folder,
          const std::vector<std::string>& variables);
  // The next signal, or none in that time.
  std::optional<int> wait_for_signal(std::chrono::milliseconds limit) const;

  JobRegistry& registry_;
  std::string hook_;
  sigset_t signals_{}, signals_before_{};
  bool stopped_ = false;
};

}  // namespace attune
