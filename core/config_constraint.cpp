// What a value must satisfy, in words, and the suggestion for a word that is none of those known.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "core/config_node.h"
#include "core/config_reader.h"

namespace attune {
namespace {

std::string number_text(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

std::string range_text(const Constraint& constraint) {
  const bool has_minimum = std::isfinite(constraint.minimum);
  const bool has_maximum = std::isfinite(constraint.maximum);
  if (has_minimum && has_maximum && !constraint.minimum_is_open)
    return "between " + number_text(constraint.minimum) + " and " + number_text(constraint.maximum);
  std::string out;
  if (has_minimum)
    out =
        (constraint.minimum_is_open ? "more than " : "at least ") + number_text(constraint.minimum);
  if (has_maximum)
    out += (out.empty() ? "" : " and ") + ("at most " + number_text(constraint.maximum));
  return out;
}

// Letters put in, left out, changed, or two neighbours exchanged.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before, above, row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(above, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

std::string join_words(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

std::string dotted_path(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

Constraint at_least(double minimum) { return {.minimum = minimum}; }
Constraint above(double minimum) { return {.minimum = minimum, .minimum_is_open = true}; }
Constraint between(double minimum, double maximum) {
  return {.minimum = minimum, .maximum = maximum};
}
Constraint one_of(std::vector<std::string> choices) { return {.choices = std::move(choices)}; }
Constraint required() { return {.required = true}; }
Constraint not_empty() { return {.not_empty = true}; }
Constraint list_or_one() { return {.or_one = true}; }

std::string describe(const Constraint& constraint) {
  std::vector<std::string> parts;
  if (constraint.required) parts.emplace_back("required");
  if (constraint.not_empty) parts.emplace_back("not empty");
  if (constraint.or_one) parts.emplace_back("or one alone");
  if (const std::string range = range_text(constraint); !range.empty()) parts.push_back(range);
  if (!constraint.choices.empty()) parts.push_back("one of " + join_words(constraint.choices));
  return join_words(parts);
}

std::optional<std::string> nearest(const std::string& word, std::span<const std::string> known) {
  constexpr std::size_t kMaxDistance = 2;
  std::optional<std::string> best;
  std::size_t best_distance = kMaxDistance + 1;
  for (const std::string& candidate : known) {
    const std::size_t difference =
        std::max(word.size(), candidate.size()) - std::min(word.size(), candidate.size());
    if (difference > kMaxDistance) continue;
    const std::size_t distance = edit_distance(word, candidate);
    // Two changes make any two letters of two: less than half of a short word may differ, or half
    // where letters are only missing ("list", "ls").
    const std::size_t longer = std::max(word.size(), candidate.size());
    const bool is_near =
        2 * distance < longer || (2 * distance == longer && distance == difference);
    if (distance < best_distance && is_near) {
      best = candidate;
      best_distance = distance;
    }
  }
  if (best || word.size() < 2) return best;
  for (const std::string& candidate : known)
    if (candidate.starts_with(word) || (candidate.size() > 1 && word.starts_with(candidate)))
      return candidate;
  return best;
}

}  // namespace attune
