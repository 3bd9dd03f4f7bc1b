#include "pipeline/report/numbers.h"

#include <cmath>
#include <cstdio>

#include "core/error.h"

namespace attune {
namespace {

constexpr const char* kMinus = "\u2212";

std::string formatted(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

}  // namespace

std::string metric_text(double value) {
  if (!std::isfinite(value)) return "not known";
  return (value <= -0.0005 ? kMinus : "") + formatted("%.3f", std::fabs(value));
}

std::string points_text(double fraction) {
  if (!std::isfinite(fraction)) return "not known";
  const double points = std::round(fraction * 1000) / 10;
  if (points == 0) return "0.0";
  return (points > 0 ? "+" : kMinus) + formatted("%.1f", std::fabs(points));
}

std::string interval_text(const PairedDifference& difference) {
  return points_text(difference.low) + " to " + points_text(difference.high);
}

std::string count_text(std::int64_t count) {
  std::string digits = std::to_string(count);
  const std::int64_t first = digits.starts_with("-") ? 1 : 0;
  for (std::int64_t at = std::ssize(digits) - 3; at > first; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

std::string percent_text(double share) {
  const double percent = share * 100;
  return formatted(percent > 0 && percent < 9.95 ? "%.1f %%" : "%.0f %%", percent);
}

std::string plain_text(double value) {
  return std::isfinite(value) ? formatted("%.4g", value) : "not finite";
}

std::string coordinate(double value) {
  if (!std::isfinite(value)) return "0";
  std::string text = formatted("%.1f", std::fmin(std::fmax(value, -1e6), 1e6));
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

std::string counted(std::int64_t count, const std::string& noun) {
  return count_text(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace attune
