// The runs of this user, by which a finetuned model is found again: every run has a job id and a
// model id. One SQLite file for all processes. A job's status and its event are one commit; a job
// whose process has gone (kill -9, power) is `interrupted` for whoever looks next; one is
// `succeeded` only when its artifact stands on disk.
//
//   queued -> running -> succeeded | failed | cancelled | interrupted
//   queued, interrupted -> cancelled;  failed, interrupted -> queued | running;  the rest is final
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/database.h"
#include "core/json.h"

namespace attune {

enum class JobStatus : std::uint8_t {
  kQueued,
  kRunning,
  kSucceeded,
  kFailed,
  kCancelled,
  kInterrupted
};
const char* name_of(JobStatus status);
bool may_become(JobStatus from, JobStatus to);
// Whether `name` is written as the id of a job or of its model.
bool is_job_id(const std::string& name);
// succeeded, failed, cancelled, interrupted: nothing happens any more unless someone asks.
bool has_ended(JobStatus status);

// What a job is to do.
struct JobRequest {
  std::string name;
  std::string run_directory;         // absolute
  std::string working_directory;     // relative paths of the command start there
  std::vector<std::string> command;  // arguments of attune
  std::string base;                  // model.base
  std::string config_sha256;
};

struct Job {
  std::string id, model_id;  // "job-..." and "model-...", twelve hexadecimal digits
  JobStatus status = JobStatus::kQueued;
  JobRequest request;
  std::int64_t created_at = 0, started_at = 0, finished_at = 0;  // seconds since 1970; 0: not yet
  std::int64_t step = 0, total_steps = 0;
  std::string artifact;  // of a succeeded one
  Json metrics = Json::object();
  std::string error;  // of a failed one
  bool cancel_requested = false;
  std::string artifact_sha256;  // of its attune.json: which model it is
};

struct JobEvent {
  std::int64_t number = 0, at = 0;  // from 1 for each job
  std::string level;                // info, warning, error
  std::string message;
  std::string status;  // which it brought; "" for a message alone
};

class JobRegistry {
 public:
  // $ATTUNE_HOME/jobs.sqlite; without it $XDG_STATE_HOME/attune, else ~/.local/state/attune.
  static std::string default_path();

  explicit JobRegistry(const std::string& path = default_path());

  // Error{kConfig}: a name or folder that is not UTF-8.
  Job submit(const JobRequest& request);  // queued
  Job begin(const JobRequest& request);   // running, in this process
  // The oldest queued one, now running in this process.
  std::optional<Job> take();
  // One that runs in the process `from` (core/process_identity.h), now in this one: so a worker
  // hands a job that it has taken to a process of the job's own.
  Job take_over(const std::string& id, const std::string& from);
  // A queued, failed or interrupted one, now running in this process.
  Job begin_again(const std::string& id);
  Job queue_again(const std::string& id);

  void progress(const std::string& id, std::int64_t step, std::int64_t total_steps);
  void add_event(const std::string& id, const std::string& level, const std::string& message);
  // Error{kResources} where `artifact` has no attune.json.
  void succeed(const std::string& id, const std::string& artifact, const Json& metrics);
  // To failed, cancelled or interrupted.
  void end(const std::string& id, JobStatus status, const std::string& message);
  // A queued or interrupted one is cancelled at once; a running one is asked to, and ends by
  // itself.
  Job cancel(const std::string& id);
  // Forgets an ended one; its files stay.
  void remove(const std::string& id);

  // By job id or model id. get(): Error{kConfig} that names the nearest ids.
  std::optional<Job> find(const std::string& id);
  Job get(const std::string& id);
  std::vector<Job> list();  // newest first
  // The artifact's directory. Error{kConfig}: no such job, or it has no model (yet), with its
  // status and what to do; {kData}: the model is gone, or a later run has put another one there.
  std::string artifact(const std::string& id);
  std::vector<JobEvent> events(const std::string& id, std::int64_t after = 0);

 private:
  Job insert(const JobRequest& request, JobStatus status);
  Job change(const std::string& id, JobStatus to, const std::string& level,
             const std::string& message);
  void write_status(const Job& job, JobStatus to, const std::string& level,
                    const std::string& message);
  void write_event(const std::string& id, const std::string& level, const std::string& message,
                   const std::string& status);
  std::optional<Job> read(const std::string& id);
  void mark_interrupted();

  std::string path_;
  Database database_;
};

}  // namespace attune
