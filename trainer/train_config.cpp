#include "trainer/train_config.h"

#include <charconv>

namespace attune {

std::optional<double> TrainConfig::dropout_probability() const {
  double value = 0;
  const char* end = dropout.data() + dropout.size();
  const auto [stop, error] = std::from_chars(dropout.data(), end, value);
  if (error != std::errc{} || stop != end || !(value >= 0 && value < 1)) return std::nullopt;
  return value;
}

}  // namespace attune
