#include "core/duration.h"

#include <cmath>
#include <cstdint>
#include <cstdio>

#include "core/error.h"

namespace attune {

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "not known";
  if (seconds < 9.95) {
    char text[16];
    std::snprintf(text, sizeof text, seconds < 0.995 ? "%.2f s" : "%.1f s", seconds);
    return text;
  }
  const auto whole = static_cast<std::int64_t>(std::llround(std::fmin(seconds, 1e15)));
  if (whole < 60) return str_cat(whole, " s");
  if (whole < 3600) return str_cat(whole / 60, " min ", whole % 60, " s");
  return str_cat(whole / 3600, " h ", whole % 3600 / 60, " min");
}

}  // namespace attune
