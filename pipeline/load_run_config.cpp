#include "pipeline/run_config.h"

namespace attune {

RunConfig load_run_config(const std::string& path, std::span<const std::string> overrides) {
  RunConfig config;
  ConfigDocument::load(path, overrides).read(config);
  config.output = config.output_directory();
  return config;
}

}  // namespace attune
