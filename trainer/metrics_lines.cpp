#include "trainer/metrics_lines.h"

#include <algorithm>

#include "core/json.h"

namespace attune {

std::string kept_metric_lines(std::string_view bytes, std::int64_t steps,
                              const std::function<bool(std::int64_t)>& is_skipped) {
  std::string kept;
  while (!bytes.empty()) {
    const std::string_view line = bytes.substr(0, bytes.find('\n'));
    bytes.remove_prefix(std::min(bytes.size(), line.size() + 1));
    const Json event = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!event.is_object() || !event.contains("step") || !event["step"].is_number_integer())
      continue;
    const auto step = event["step"].get<std::int64_t>();
    const bool keep = event.value("event", Json()) == "nonfinite" ? step > 0 && is_skipped(step - 1)
                                                                  : step <= steps;
    if (keep) kept.append(line) += '\n';
  }
  return kept;
}

}  // namespace attune
