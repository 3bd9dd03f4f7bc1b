#include "apps/jobs_command.h"

#include <chrono>
#include <ctime>
#include <functional>
#include <map>
#include <thread>

#include "apps/jobs_worker.h"
#include "apps/standard_output.h"
#include "core/error.h"
#include "core/job_registry.h"
#include "pipeline/job_request.h"

namespace attune {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{300};

std::string time_text(std::int64_t seconds) {
  if (seconds == 0) return "-";
  const std::time_t time = seconds;
  std::tm parts{};
  ::localtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return text;
}

Json json_of(const Job& job) {
  Json json;
  json["schema_version"] = 1;
  json["id"] = job.id;
  json["model_id"] = job.model_id;
  json["status"] = name_of(job.status);
  json["name"] = job.request.name;
  json["run"] = job.request.run_directory;
  json["base"] = job.request.base;
  json["command"] = job.request.command;
  json["config_sha256"] = job.request.config_sha256;
  json["created_at"] = job.created_at;
  json["started_at"] = job.started_at;
  json["finished_at"] = job.finished_at;
  json["step"] = job.step;
  json["total_steps"] = job.total_steps;
  json["artifact"] = job.artifact;
  json["metrics"] = job.metrics;
  json["error"] = job.error;
  json["cancel_requested"] = job.cancel_requested;
  return json;
}

// What one may type next.
std::string next_command(const Job& job) {
  switch (job.status) {
    case JobStatus::kQueued:
      return "attune jobs worker --drain";
    case JobStatus::kRunning:
      return "attune jobs wait " + job.id;
    case JobStatus::kSucceeded:
      return "attune embed --model " + job.model_id + " --input texts.txt --output vectors.npy";
    case JobStatus::kFailed:
    case JobStatus::kInterrupted:
      return "attune jobs resume " + job.id;
    case JobStatus::kCancelled:
      return "attune jobs rm " + job.id;
  }
  return "";
}

std::string status_text(const Job& job) {
  return std::string(name_of(job.status)) + (job.cancel_requested ? ", asked to stop" : "");
}

std::string line_of(const Job& job) {
  return str_cat(job.id, "  ", status_text(job), "  ", job.request.name, "  step ", job.step,
                 " of ", job.total_steps, "  ", time_text(job.created_at), "  ", job.model_id,
                 "\n");
}

std::string text_of(const Job& job) {
  std::string text = str_cat("job        ", job.id, "\nmodel      ", job.model_id, "\nstatus     ",
                             status_text(job), "\nname       ", job.request.name, "\nrun        ",
                             job.request.run_directory, "\nbase       ", job.request.base,
                             "\ncreated    ", time_text(job.created_at), "\nstarted    ",
                             time_text(job.started_at), "\nended      ", time_text(job.finished_at),
                             "\nstep       ", job.step, " of ", job.total_steps, "\n");
  if (!job.artifact.empty()) text += "artifact   " + job.artifact + "\n";
  if (!job.metrics.empty()) text += "metrics    " + job.metrics.dump() + "\n";
  if (!job.error.empty()) text += "error      " + job.error + "\n";
  return text + "next       " + next_command(job) + "\n";
}

void submit(const Arguments& arguments, JobRegistry& registry) {
  const std::vector<std::string>& words = arguments.positionals();
  const RunConfig config = load_run_config(words[0], std::span(words).subspan(1));
  if (!config.has_train)
    throw_error(ErrorKind::kConfig, words[0],
                " has no section 'train': a job makes a model; `attune run` does the rest");
  const Job job = registry.submit(job_request(config, JobRegistry::default_path()));
  write_stdout(arguments.has("--json") ? json_of(job).dump() + "\n" : job.id + "\n");
}

void list(const Arguments& arguments, JobRegistry& registry) {
  Json all = Json::array();
  std::string text;
  for (const Job& job : registry.list()) {
    all.push_back(json_of(job));
    text += line_of(job);
  }
  write_stdout(arguments.has("--json") ? all.dump() + "\n" : text);
}

void show(const Arguments& arguments, JobRegistry& registry) {
  const std::string& id = arguments.positionals()[0];
  registry.find(id);  // looks whether its process still runs
  const Job job = registry.get(id);
  write_stdout(arguments.has("--json") ? json_of(job).dump() + "\n" : text_of(job));
}

void events(const Arguments& arguments, JobRegistry& registry) {
  const std::string& id = arguments.positionals()[0];
  std::int64_t last = 0;
  for (;;) {
    const bool ended = has_ended(registry.get(id).status);
    for (const JobEvent& event : registry.events(id, last)) {
      last = event.number;
      write_stdout(str_cat(time_text(event.at), "  ", event.level, "  ", event.message, "\n"));
    }
    if (!arguments.has("--follow") || ended) return;
    std::this_thread::sleep_for(kBetweenLooks);
    registry.find(id);
  }
}

void wait(const Arguments& arguments, JobRegistry& registry) {
  for (const std::string& id : arguments.positionals()) registry.get(id);
  for (const std::string& id : arguments.positionals()) {
    std::optional<Job> job;
    while ((job = registry.find(id)) && !has_ended(job->status))
      std::this_thread::sleep_for(kBetweenLooks);
    if (!job) throw_error(ErrorKind::kFailed, "job ", id, " was removed");
    if (job->status != JobStatus::kSucceeded)
      throw_error(ErrorKind::kFailed, "job ", job->id, " is ", name_of(job->status),
                  job->error.empty() ? "" : ": " + job->error);
    write_stdout(job->model_id + "\n");
  }
}

void for_each_given(const Arguments& arguments,
                    const std::function<void(const std::string&)>& action) {
  for (const std::string& id : arguments.positionals()) action(id);
}

}  // namespace

void jobs_command(const std::string& verb, const Arguments& arguments) {
  JobRegistry registry;
  const std::map<std::string, std::function<void()>> verbs = {
      {"submit", [&] { submit(arguments, registry); }},
      {"list", [&] { list(arguments, registry); }},
      {"show", [&] { show(arguments, registry); }},
      {"events", [&] { events(arguments, registry); }},
      {"wait", [&] { wait(arguments, registry); }},
      {"cancel", [&] { for_each_given(arguments, [&](const auto& id) { registry.cancel(id); }); }},
      {"resume",
       [&] { for_each_given(arguments, [&](const auto& id) { registry.queue_again(id); }); }},
      {"rm", [&] { for_each_given(arguments, [&](const auto& id) { registry.remove(id); }); }},
      {"worker",
       [&] { JobsWorker(registry, arguments.value("--hook")).work(arguments.has("--drain")); }},
  };
  verbs.at(verb)();
}

}  // namespace attune
