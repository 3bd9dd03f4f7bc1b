#include "pipeline/job_request.h"

#include <filesystem>

#include "core/durable.h"
#include "core/hash.h"

namespace attune {

namespace fs = std::filesystem;

JobRequest job_request(const RunConfig& config, const std::string& registry_path) {
  RunConfig whole = config;
  whole.output = fs::absolute(config.output_directory()).lexically_normal().string();
  const std::string text = print_config(whole);
  JobRequest request;
  request.name = config.name;
  request.run_directory = whole.output;
  request.working_directory = fs::current_path().string();
  request.base = config.model.base;
  request.config_sha256 = sha256(text);
  const fs::path kept =
      fs::path(registry_path).parent_path() / "configs" / (request.config_sha256 + ".yaml");
  if (!fs::exists(kept)) write_file_durably(kept.string(), text);
  request.command = {"run", kept.string()};
  return request;
}

}  // namespace attune
