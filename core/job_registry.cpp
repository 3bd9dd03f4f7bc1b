#include "core/job_registry.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <utility>

#include "core/config_reader.h"
#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/process_identity.h"
#include "core/registry_tables.h"

namespace attune {
namespace {

constexpr std::array kNames = {"queued", "running",   "succeeded",
                               "failed", "cancelled", "interrupted"};

constexpr const char* kColumns =
    "id, model_id, status, name, run_directory, working_directory, command, base, config_sha256, "
    "created_at, started_at, finished_at, step, total_steps, artifact, metrics, error, "
    "cancel_requested, artifact_sha256";

std::string twelve_digits() {
  std::random_device device;
  std::string digits(12, '0');
  for (char& digit : digits) digit = "0123456789abcdef"[device() % 16];
  return digits;
}

// What is told of a job is told as JSON, too: a message may quote a file's bytes.
std::string as_utf8(const std::string& text) {
  if (find_invalid_utf8(text) == std::string::npos) return text;
  return parse_json(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace), "message");
}

void require_utf8(const JobRequest& request) {
  for (const std::string& text :
       {request.name, request.run_directory, request.working_directory, request.base})
    if (find_invalid_utf8(text) != std::string::npos)
      throw_error(ErrorKind::kConfig, "'", text,
                  "' is not UTF-8, and a job cannot name it; give the folder another name");
}

Job job_of(const Database::Row& row, const std::string& path) {
  Job job;
  job.id = text(row[0]);
  job.model_id = text(row[1]);
  const auto status = std::find(kNames.begin(), kNames.end(), text(row[2]));
  const Json command = parse_json(text(row[6]), path);
  const bool are_words = command.is_array() && !command.empty() &&
                         std::all_of(command.begin(), command.end(),
                                     [](const Json& word) { return word.is_string(); });
  if (status == kNames.end() || !are_words)
    throw_error(ErrorKind::kData, path, ": job ", job.id, " has the status '", text(row[2]),
                "' and the command ", text(row[6]),
                ": attune has not written that; move the file away, and a new one is made");
  job.status = static_cast<JobStatus>(status - kNames.begin());
  job.request = {text(row[3]), text(row[4]), text(row[5]), command, text(row[7]), text(row[8])};
  job.created_at = number(row[9]);
  job.started_at = number(row[10]);
  job.finished_at = number(row[11]);
  job.step = number(row[12]);
  job.total_steps = number(row[13]);
  job.artifact = text(row[14]);
  job.metrics = parse_json(text(row[15]), path);
  job.error = text(row[16]);
  job.cancel_requested = number(row[17]) != 0;
  job.artifact_sha256 = text(row[18]);
  return job;
}

const char* what_to_do(JobStatus status) {
  switch (status) {
    case JobStatus::kQueued:
      return "; `attune jobs worker` runs what is queued";
    case JobStatus::kRunning:
      return "; `attune jobs wait` ends when it does";
    case JobStatus::kFailed:
    case JobStatus::kInterrupted:
      return "; `attune jobs show` tells why, `attune jobs resume` queues it again";
    case JobStatus::kCancelled:
    case JobStatus::kSucceeded:
      break;
  }
  return "";
}

}  // namespace

const char* name_of(JobStatus status) { return kNames[static_cast<std::size_t>(status)]; }

bool may_become(JobStatus from, JobStatus to) {
  using enum JobStatus;
  switch (from) {
    case kQueued:
      return to == kRunning || to == kCancelled;
    case kRunning:
      return to == kSucceeded || to == kFailed || to == kCancelled || to == kInterrupted;
    case kInterrupted:
      return to == kQueued || to == kRunning || to == kCancelled;
    case kFailed:
      return to == kQueued || to == kRunning;
    case kSucceeded:
    case kCancelled:
      return false;
  }
  return false;
}

bool is_job_id(const std::string& name) {
  const std::size_t begin = name.starts_with("job-") ? 4 : name.starts_with("model-") ? 6 : 0;
  return begin > 0 && name.size() == begin + 12 &&
         name.find_first_not_of("0123456789abcdef", begin) == std::string::npos;
}

bool has_ended(JobStatus status) {
  return status != JobStatus::kQueued && status != JobStatus::kRunning;
}

std::string JobRegistry::default_path() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  if (const std::string home = variable("ATTUNE_HOME"); !home.empty()) return home + "/jobs.sqlite";
  if (const std::string state = variable("XDG_STATE_HOME"); !state.empty())
    return state + "/attune/jobs.sqlite";
  const std::string home = variable("HOME");
  if (home.empty())
    throw_error(ErrorKind::kConfig,
                "where the jobs are kept is not known: neither ATTUNE_HOME nor HOME is set");
  return home + "/.local/state/attune/jobs.sqlite";
}

JobRegistry::JobRegistry(const std::string& path) : path_(path), database_(path) {
  make_registry_tables(database_, path_);
}

Job JobRegistry::insert(const JobRequest& request, JobStatus status) {
  ATTUNE_ASSERT(!request.command.empty());
  require_utf8(request);
  const std::string digits = twelve_digits(), id = "job-" + digits;
  return database_.transaction([&] {
    const std::int64_t time = seconds_since_1970();
    const bool runs = status == JobStatus::kRunning;
    database_.run(str_cat("INSERT INTO jobs(", kColumns,
                          ", process) VALUES(?,?,?,?,?,?,?,?,?,?,?,0,0,0,'','{}','',0,'',?)"),
                  {id, "model-" + digits, name_of(status), request.name, request.run_directory,
                   request.working_directory, Json(request.command).dump(), request.base,
                   request.config_sha256, time, runs ? time : 0, runs ? this_process() : ""});
    write_event(id, "info", runs ? "begun" : "queued", name_of(status));
    return *read(id);
  });
}

Job JobRegistry::submit(const JobRequest& request) { return insert(request, JobStatus::kQueued); }
Job JobRegistry::begin(const JobRequest& request) { return insert(request, JobStatus::kRunning); }

void JobRegistry::write_event(const std::string& id, const std::string& level,
                              const std::string& message, const std::string& status) {
  database_.run(
      "INSERT INTO events SELECT ?, coalesce(max(number), 0) + 1, ?, ?, ?, ? FROM events WHERE "
      "job = ?",
      {id, seconds_since_1970(), level, as_utf8(message), status, id});
}

// Within a transaction.
void JobRegistry::write_status(const Job& job, JobStatus to, const std::string& level,
                               const std::string& message) {
  if (!may_become(job.status, to))
    throw_error(ErrorKind::kConfig, "job ", job.id, " is ", name_of(job.status),
                " and cannot become ", name_of(to),
                to == JobStatus::kQueued && job.status == JobStatus::kCancelled
                    ? "; `attune jobs submit " + job.request.command.back() +
                          "` is another job that goes on from its checkpoint"
                    : "");
  const bool runs = to == JobStatus::kRunning;
  database_.run(
      "UPDATE jobs SET status = ?, process = ?, cancel_requested = 0, error = ?, started_at = "
      "CASE WHEN ? THEN ? ELSE started_at END, finished_at = ? WHERE id = ?",
      {name_of(to), runs ? this_process() : "", to == JobStatus::kFailed ? as_utf8(message) : "",
       std::int64_t{runs}, seconds_since_1970(), has_ended(to) ? seconds_since_1970() : 0, job.id});
  write_event(job.id, level, message, name_of(to));
}

Job JobRegistry::change(const std::string& id, JobStatus to, const std::string& level,
                        const std::string& message) {
  mark_interrupted();
  return database_.transaction([&] {
    write_status(get(id), to, level, message);
    return *read(id);
  });
}

std::optional<Job> JobRegistry::take() {
  mark_interrupted();
  return database_.transaction([&]() -> std::optional<Job> {
    const auto rows = database_.run("SELECT id FROM jobs WHERE status = 'queued' ORDER BY number");
    if (rows.empty()) return std::nullopt;
    const std::string id = text(rows[0][0]);
    write_status(*read(id), JobStatus::kRunning, "info", "begun");
    return read(id);
  });
}

Job JobRegistry::take_over(const std::string& id, const std::string& from) {
  return database_.transaction([&] {
    const Job job = get(id);
    const auto taken = database_.run(
        "UPDATE jobs SET process = ? WHERE id = ? AND status = 'running' AND process = ? "
        "RETURNING id",
        {this_process(), job.id, from});
    if (taken.empty())
      throw_error(ErrorKind::kConfig, "job ", job.id, " is ", name_of(job.status),
                  " and not held by the process that hands it over; `attune jobs show ", job.id,
                  "` tells where it is");
    return job;
  });
}

Job JobRegistry::begin_again(const std::string& id) {
  return change(id, JobStatus::kRunning, "info", "begun again");
}

Job JobRegistry::queue_again(const std::string& id) {
  return change(id, JobStatus::kQueued, "info", "queued again");
}

void JobRegistry::progress(const std::string& id, std::int64_t step, std::int64_t total_steps) {
  database_.run("UPDATE jobs SET step = ?, total_steps = ? WHERE id = ? AND status = 'running'",
                {step, total_steps, id});
}

void JobRegistry::add_event(const std::string& id, const std::string& level,
                            const std::string& message) {
  database_.transaction([&] { write_event(get(id).id, level, message, ""); });
}

void JobRegistry::succeed(const std::string& id, const std::string& artifact, const Json& metrics) {
  const std::string sidecar = artifact + "/attune.json";
  if (!file_exists(sidecar))
    throw_error(ErrorKind::kResources, "job ", id, " cannot be called succeeded: ", artifact,
                " holds no artifact (attune.json)");
  const std::string sha256 = sha256_file(sidecar);
  database_.transaction([&] {
    write_status(get(id), JobStatus::kSucceeded, "info", "succeeded");
    database_.run("UPDATE jobs SET artifact = ?, artifact_sha256 = ?, metrics = ? WHERE id = ?",
                  {artifact, sha256, metrics.dump(), id});
  });
}

void JobRegistry::end(const std::string& id, JobStatus status, const std::string& message) {
  ATTUNE_ASSERT(status == JobStatus::kFailed || status == JobStatus::kCancelled ||
                status == JobStatus::kInterrupted);
  change(id, status, status == JobStatus::kFailed ? "error" : "warning", message);
}

Job JobRegistry::cancel(const std::string& id) {
  mark_interrupted();
  return database_.transaction([&] {
    const Job job = get(id);
    if (job.status != JobStatus::kRunning) {
      write_status(job, JobStatus::kCancelled, "info", "cancelled");
    } else if (!job.cancel_requested) {
      database_.run("UPDATE jobs SET cancel_requested = 1 WHERE id = ?", {job.id});
      write_event(job.id, "info", "asked to stop", "");
    }
    return *read(job.id);
  });
}

void JobRegistry::remove(const std::string& id) {
  mark_interrupted();
  database_.transaction([&] {
    const Job job = get(id);
    if (!has_ended(job.status))
      throw_error(ErrorKind::kConfig, "job ", job.id, " is ", name_of(job.status),
                  ": cancel it first");
    const auto used = database_.run(
        "SELECT name FROM aliases JOIN alias_arms USING(version) WHERE model = ?", {job.model_id});
    if (!used.empty())
      throw_error(ErrorKind::kConfig, "job ", job.id, ": alias '", text(used[0][0]),
                  "' leads to its model; `attune alias set` or `attune alias rm` first");
    database_.run("DELETE FROM jobs WHERE id = ?", {job.id});
  });
}

std::optional<Job> JobRegistry::read(const std::string& id) {
  const auto rows = database_.run(
      str_cat("SELECT ", kColumns, " FROM jobs WHERE id = ? OR model_id = ?"), {id, id});
  if (rows.empty()) return std::nullopt;
  return job_of(rows[0], path_);
}

std::optional<Job> JobRegistry::find(const std::string& id) {
  mark_interrupted();
  return read(id);
}

std::string JobRegistry::artifact(const std::string& id) {
  mark_interrupted();
  const Job job = get(id);
  if (job.status != JobStatus::kSucceeded)
    throw_error(ErrorKind::kConfig, "job ", job.id, " is ", name_of(job.status),
                " and has no model", job.error.empty() ? "" : " (" + job.error + ")",
                what_to_do(job.status));
  const std::string sidecar = job.artifact + "/attune.json";
  const bool there = file_exists(sidecar);
  // A job of an attune before this column has none.
  if (there && (job.artifact_sha256.empty() || sha256_file(sidecar) == job.artifact_sha256))
    return job.artifact;
  throw_error(
      ErrorKind::kData, "job ", job.id, ": its artifact ", job.artifact,
      there ? " was replaced by another model: a later run has the same output" : " is gone",
      "; `attune run ", job.request.command.back(), "` makes it again");
}

// Inside of transactions too, so it marks nothing.
Job JobRegistry::get(const std::string& id) {
  if (auto job = read(id)) return *job;
  std::vector<std::string> known;
  for (const auto& row : database_.run("SELECT id, model_id FROM jobs ORDER BY number DESC"))
    for (const auto& value : row) known.push_back(text(value));
  const std::optional<std::string> near = nearest(id, known);
  throw_error(ErrorKind::kConfig, "no job '", id, "' in ", path_,
              near ? "; did you mean " + *near + "?" : "; `attune jobs list` shows them");
}

std::vector<Job> JobRegistry::list() {
  mark_interrupted();
  std::vector<Job> jobs;
  for (const auto& row :
       database_.run(str_cat("SELECT ", kColumns, " FROM jobs ORDER BY number DESC")))
    jobs.push_back(job_of(row, path_));
  return jobs;
}

std::vector<JobEvent> JobRegistry::events(const std::string& id, std::int64_t after) {
  std::vector<JobEvent> events;
  for (const auto& row :
       database_.run("SELECT number, at, level, message, status FROM events WHERE job = ? AND "
                     "number > ? ORDER BY number",
                     {get(id).id, after}))
    events.push_back({number(row[0]), number(row[1]), text(row[2]), text(row[3]), text(row[4])});
  return events;
}

// Looks without a lock first: most often there is nothing to mark.
void JobRegistry::mark_interrupted() {
  const auto gone = [&] {
    std::vector<std::string> ids;
    for (const auto& row : database_.run("SELECT id, process FROM jobs WHERE status = 'running'"))
      if (liveness(text(row[1])) == Liveness::kGone) ids.push_back(text(row[0]));
    return ids;
  };
  if (gone().empty()) return;
  database_.transaction([&] {
    for (const std::string& id : gone())
      write_status(*read(id), JobStatus::kInterrupted, "warning",
                   "its process ended without a word");
  });
}

}  // namespace attune
