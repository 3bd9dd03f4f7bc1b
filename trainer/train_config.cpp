#include "trainer/train_config.h"

#include <charconv>

namespace attune {

TrainConfig TrainConfig::deciding() const {
  const TrainConfig defaults;
  TrainConfig config = *this;
  // Where a run is rolled back to is decided by where checkpoints are.
  if (on_nonfinite != "rollback") config.checkpoint_steps = defaults.checkpoint_steps;
  config.keep_checkpoints = defaults.keep_checkpoints;
  config.tensorboard = defaults.tensorboard;
  return config;
}

std::optional<double> TrainConfig::dropout_probability() const {
  double value = 0;
  const char* end = dropout.data() + dropout.size();
  const auto [stop, error] = std::from_chars(dropout.data(), end, value);
  if (error != std::errc{} || stop != end || !(value >= 0 && value < 1)) return std::nullopt;
  return value;
}

}  // namespace attune
