#include "pipeline/recorded_job.h"

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/process_identity.h"
#include "pipeline/job_request.h"
#include "pipeline/stages.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGivenJob = "ATTUNE_TAKE_JOB";

// Progress is written, and on disk before the training goes on; whether to stop is only read.
constexpr std::chrono::seconds kBetweenWrites{5}, kBetweenReads{1};

bool is_due(std::chrono::steady_clock::time_point& last, std::chrono::seconds between) {
  const auto now = std::chrono::steady_clock::now();
  if (now - last < between) return false;
  last = now;
  return true;
}

}  // namespace

template <class Action>
void RecordedJob::tell(const Action& action) {
  if (!registry_) return;
  try {
    action();
  } catch (const std::exception& error) {
    log_warning(str_cat("the registry of jobs is not kept up to date: ", error.what()));
    registry_.reset();
  }
}

RecordedJob::RecordedJob(const RunConfig& config) {
  const std::string path = JobRegistry::default_path();
  if (const char* given = std::getenv(kGivenJob)) {
    id_ = given;
    ::unsetenv(kGivenJob);
    // Whoever has submitted it waits for its end: here the registry must work.
    registry_ = std::make_unique<JobRegistry>(path);
    registry_->take_over(id_, parent_process());
    return;
  }
  try {
    registry_ = std::make_unique<JobRegistry>(path);
    const Job job = registry_->begin(job_request(config, path));
    id_ = job.id;
    log_info(str_cat("job ", job.id, ", its model will be ", job.model_id));
  } catch (const std::exception& error) {
    registry_.reset();
    log_warning(str_cat("this run is not in the registry of jobs: ", error.what()));
  }
}

StopRequested RecordedJob::stop(StopRequested also) {
  return [this, also = std::move(also)] { return (also && also()) || is_cancelled(); };
}

bool RecordedJob::is_cancelled() {
  if (!cancelled_ && registry_ && is_due(asked_, kBetweenReads))
    tell([&] { cancelled_ = registry_->get(id_).cancel_requested; });
  return cancelled_;
}

void RecordedJob::on_step(const StepReport& report) {
  if (report.step == report.total_steps || is_due(told_, kBetweenWrites))
    tell([&] { registry_->progress(id_, report.step, report.total_steps); });
}

void RecordedJob::succeeded(const std::string& artifact, const Json& metrics) {
  tell([&] {
    registry_->succeed(id_, fs::absolute(artifact).lexically_normal().string(), metrics);
  });
  registry_.reset();
}

void RecordedJob::ended(const std::exception_ptr& error) {
  JobStatus status = JobStatus::kFailed;
  std::string message;
  try {
    std::rethrow_exception(error);
  } catch (const Error& found) {
    message = found.what();
    if (found.kind() == ErrorKind::kInterrupted)
      status = cancelled_ ? JobStatus::kCancelled : JobStatus::kInterrupted;
  } catch (const std::exception& found) {
    message = found.what();
  }
  tell([&] { registry_->end(id_, status, message); });
  registry_.reset();
}

void as_job(const RunConfig& config, const StopRequested& stop,
            const std::function<Json(const StopRequested&)>& work) {
  if (!config.has_train) {
    work(stop);
    return;
  }
  // A callback of the process lives as long as that.
  static std::vector<std::unique_ptr<RecordedJob>> jobs;
  RecordedJob& job = *jobs.emplace_back(std::make_unique<RecordedJob>(config));
  add_callback(job);
  try {
    job.succeeded(config.output + "/artifact", work(job.stop(stop)));
  } catch (...) {
    job.ended(std::current_exception());
    throw;
  }
}

bool is_nothing_to_do(const RunConfig& config) {
  if (std::getenv(kGivenJob) != nullptr) return false;
  try {
    for (const StageForecast& stage : explain(config))
      if (stage.status == "runs") return false;
  } catch (const Error&) {
    return false;  // the run says so itself, in its job
  }
  return true;
}

Json evaluation_metrics(const RunConfig& config) {
  const std::string path = config.output + "/evaluation.json";
  if (!config.has_evaluate || !file_exists(path)) return Json::object();
  Json metrics = Json::object();
  for (const Json& system : read_json_file(path).value("models", Json::array()))
    if (system.value("model", "") == "finetuned")
      for (const auto& [name, value] : system.items())
        if (value.is_number() && name.find('@') != std::string::npos) metrics[name] = value;
  return metrics;
}

}  // namespace attune
