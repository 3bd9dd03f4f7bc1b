// metrics.jsonl as a report reads it (docs/formats.md).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace attune {

struct LoggedStep {
  std::int64_t step = 0;
  double loss = 0, learning_rate = 0, grad_norm = 0, seconds = 0;
  std::int64_t pairs = 0, tokens = 0;
};

struct LoggedValidation {
  std::int64_t step = 0;
  std::vector<std::pair<std::string, double>> metrics;
  bool is_best = false;
  double seconds = 0;
  double metric(const std::string& name) const;  // NaN where it was not measured
};

struct TrainingLog {
  std::vector<LoggedStep> steps;
  std::vector<LoggedValidation> validations;
  std::vector<std::int64_t> nonfinite, skipped;  // steps
  std::int64_t diverged_at = 0;                  // the step that ended the training; 0: none did
};

// A last line that was cut off is left out. Error{kData} with the line for one that is not what
// training writes; events of other names are passed over.
TrainingLog read_training_log(const std::string& path);

}  // namespace attune
