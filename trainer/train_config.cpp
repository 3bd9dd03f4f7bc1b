#include "trainer/train_config.h"

#include <charconv>
#include <string_view>

namespace attune {
namespace {

bool parse_number(std::string_view text, double& value) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && stop == text.data() + text.size();
}

}  // namespace

TrainConfig TrainConfig::deciding() const {
  const TrainConfig defaults;
  TrainConfig config = *this;
  // Where a run is rolled back to is decided by where checkpoints are.
  if (on_nonfinite != "rollback") config.checkpoint_steps = defaults.checkpoint_steps;
  config.keep_checkpoints = defaults.keep_checkpoints;
  config.tensorboard = defaults.tensorboard;
  config.token_cache = defaults.token_cache;
  return config;
}

std::optional<double> TrainConfig::dropout_probability() const {
  double value = 0;
  if (!parse_number(dropout, value) || !(value >= 0 && value < 1)) return std::nullopt;
  return value;
}

std::vector<RateRule> TrainConfig::rate_rules() const {
  std::vector<RateRule> rules;
  for (const std::string& rate : rates) {
    const std::size_t sign = rate.rfind('=');
    RateRule rule;
    if (sign == std::string::npos || sign == 0 ||
        !parse_number(std::string_view(rate).substr(sign + 1), rule.factor) ||
        !(rule.factor >= 0 && rule.factor <= 1e9))
      continue;
    rule.pattern = rate.substr(0, sign);
    rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace attune
