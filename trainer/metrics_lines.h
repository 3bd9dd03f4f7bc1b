// metrics.jsonl as a run that goes on reads it (docs/formats.md). No torch: it is fuzzed with the
// other readers.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace attune {

// The lines of steps up to `steps`, and of what is said of steps that were left out (0-based, by
// `is_skipped`). Lines that are no event with a step are dropped: the last one may be cut off.
std::string kept_metric_lines(std::string_view bytes, std::int64_t steps,
                              const std::function<bool(std::int64_t)>& is_skipped);

}  // namespace attune
