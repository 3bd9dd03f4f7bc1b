#include "pipeline/run_config.h"

namespace attune {

RunConfig load_run_config(const std::string& path, std::span<const std::string> overrides,
                          ConfigNotes* notes) {
  RunConfig config;
  ConfigDocument document = ConfigDocument::load(path, overrides);
  document.read(config);
  if (notes != nullptr) *notes = {document.warnings(), document.origins()};
  config.output = config.output_directory();
  return config;
}

}  // namespace attune
