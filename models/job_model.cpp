#include "models/job_model.h"

#include <filesystem>

#include <attune/jobs.h>

#include "core/error.h"
#include "core/file.h"
#include "core/job_registry.h"

namespace attune {
namespace {

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

std::string artifact_of(const Job& job) {
  if (job.status != JobStatus::kSucceeded)
    throw_error(ErrorKind::kConfig, "job ", job.id, " is ", name_of(job.status),
                " and has no model", job.error.empty() ? "" : " (" + job.error + ")",
                what_to_do(job.status));
  if (!file_exists(job.artifact + "/attune.json"))
    throw_error(ErrorKind::kData, "job ", job.id, ": its artifact ", job.artifact,
                " is gone; `attune run ", job.request.command.back(), "` makes it again");
  return job.artifact;
}

}  // namespace

std::optional<std::string> path_of_job_model(const std::string& name) {
  if (!name.starts_with("job-") && !name.starts_with("model-")) return std::nullopt;
  const std::string path = JobRegistry::default_path();
  if (!file_exists(path)) return std::nullopt;
  const std::optional<Job> job = JobRegistry(path).find(name);
  if (!job) return std::nullopt;
  return artifact_of(*job);
}

bool is_hub_name(const std::string& model) {
  std::error_code ignored;
  return !model.starts_with("local:") && !std::filesystem::is_directory(model, ignored) &&
         !path_of_job_model(model);
}

std::shared_ptr<const BaseEmbedding> get_finetuned_model(const std::string& job,
                                                         const EmbedOptions& options) {
  JobRegistry registry;
  registry.find(job);  // looks whether its process still runs
  return resolve_embed_model("local:" + artifact_of(registry.get(job)), options);
}

}  // namespace attune
