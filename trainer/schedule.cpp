#include "trainer/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace attune {

double Schedule::factor(std::int64_t step) const {
  const auto t = static_cast<double>(step), warmup = static_cast<double>(warmup_steps);
  if (step < warmup_steps) return t / std::max(1.0, warmup);
  const double rest = std::max(1.0, static_cast<double>(total_steps) - warmup);
  if (kind == "linear") return std::max(0.0, (static_cast<double>(total_steps) - t) / rest);
  if (kind == "cosine")
    return std::max(0.0, 0.5 * (1 + std::cos(std::numbers::pi * (t - warmup) / rest)));
  ATTUNE_ASSERT(kind == "constant");
  return 1;
}

}  // namespace attune
