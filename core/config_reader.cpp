#include "core/config_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/config_node.h"
#include "core/error.h"
#include "core/file.h"

namespace attune {
namespace {

using Kind = ConfigNode::Kind;

std::string joined(std::span<const std::string> words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

std::string suggestion(const std::string& word, std::span<const std::string> known) {
  const auto near = nearest(word, known);
  return near ? " (did you mean '" + *near + "'?)" : "";
}

std::string dotted(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

// -?(0|[1-9][0-9]*), and for floating point also a fraction and an exponent.
template <class T>
bool looks_like_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  const auto digits = [&] {
    const std::size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(count);
    return count;
  };
  const bool leading_zero = text.starts_with('0');
  const std::size_t whole = digits();
  if (leading_zero && whole > 1) return false;
  if constexpr (std::integral<T>) return whole > 0 && text.empty();
  std::size_t fraction = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = digits();
  }
  if (whole + fraction == 0) return false;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  return text.empty();
}

std::string number_text(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

// Reads one value; what is wrong goes to the document's mistakes.
class ValueReader {
 public:
  ValueReader(ConfigNode& section, std::string path, const ConfigNode& node,
              const Constraint& constraint)
      : section_(section), path_(std::move(path)), node_(node), constraint_(constraint) {}

  void read(bool& value) const {
    if (!is_plain_scalar("true or false")) return;
    if (node_.text == "true" || node_.text == "false") {
      value = node_.text == "true";
    } else {
      mistake("expected true or false, found " + node_.description());
    }
  }

  template <class T>
  requires std::is_arithmetic_v<T>
  void read(T& value) const {
    const char* const expected = std::integral<T> ? "a whole number" : "a number";
    if (!is_plain_scalar(expected)) return;
    const std::string_view text = node_.text;
    if (!looks_like_number<T>(text)) {
      const bool is_decimal_after_all = !looks_like_number<double>(text) && text.starts_with('0');
      return mistake(
          str_cat("expected ", expected, ", found ", node_.description(),
                  is_decimal_after_all ? " (decimal, without leading zeros or a base)" : ""));
    }
    if (std::is_unsigned_v<T> && text.starts_with('-'))
      return mistake("expected at least 0, found " + node_.text);
    T parsed{};
    const auto result = std::from_chars(text.data(), text.data() + text.size(), parsed);
    if (result.ec != std::errc()) {
      if constexpr (std::integral<T>)
        return mistake(str_cat("expected a number from ", std::numeric_limits<T>::min(), " to ",
                               std::numeric_limits<T>::max(), ", found ", node_.text));
      return mistake("expected a number that fits into 64 bits, found " + node_.text);
    }
    const auto as_double = static_cast<double>(parsed);
    const bool too_small = constraint_.minimum_is_open ? as_double <= constraint_.minimum
                                                       : as_double < constraint_.minimum;
    if (too_small || as_double > constraint_.maximum)
      return mistake("expected " + range(constraint_) + ", found " + node_.text);
    value = parsed;
  }

  void read(std::string& value) const {
    if (node_.kind == Kind::kList || node_.kind == Kind::kMapping)
      return mistake("expected a string, found " + node_.description());
    const std::string& text = node_.text;  // empty for a null
    if (constraint_.not_empty && text.empty())
      return mistake("expected a string that is not empty");
    const auto& choices = constraint_.choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end())
      return mistake("'" + text + "' is none of " + joined(choices) + suggestion(text, choices));
    value = text;
  }

  template <class T>
  void read(std::vector<T>& value) const {
    if (node_.kind != Kind::kList) {
      const bool of_strings = std::is_same_v<T, std::string>;
      return mistake(str_cat("expected a list", of_strings ? ", like [a, b]" : ", like [1, 3]",
                             ", found ", node_.description()));
    }
    if (constraint_.not_empty && node_.items.empty())
      return mistake("expected a list that is not empty");
    const std::size_t before = section_.mistakes->size();
    std::vector<T> parsed;
    for (std::size_t i = 0; i < node_.items.size(); ++i) {
      const ConfigNode& item = *node_.items[i];
      const ValueReader reader(section_, str_cat(path_, "[", i, "]"), item, constraint_);
      if (std::is_same_v<T, std::string> && item.kind == Kind::kNull) {
        reader.mistake("expected a string, found nothing");
        continue;
      }
      reader.read(parsed.emplace_back());
    }
    if (section_.mistakes->size() == before) value = std::move(parsed);
  }

  static std::string range(const Constraint& constraint) {
    const bool has_minimum = std::isfinite(constraint.minimum);
    const bool has_maximum = std::isfinite(constraint.maximum);
    if (has_minimum && has_maximum && !constraint.minimum_is_open)
      return "between " + number_text(constraint.minimum) + " and " +
             number_text(constraint.maximum);
    std::string out;
    if (has_minimum)
      out = (constraint.minimum_is_open ? "more than " : "at least ") +
            number_text(constraint.minimum);
    if (has_maximum)
      out += (out.empty() ? "" : " and ") + ("at most " + number_text(constraint.maximum));
    return out;
  }

 private:
  void mistake(const std::string& message) const {
    section_.mistakes->push_back({node_.place, "'" + path_ + "': " + message});
  }

  bool is_plain_scalar(const char* expected) const {
    if (node_.kind == Kind::kScalar && !node_.is_quoted) return true;
    const char* const hint = node_.kind == Kind::kScalar ? " (write it without quotes)"
                             : node_.kind == Kind::kNull ? " (give a value or leave the key out)"
                                                         : "";
    mistake(str_cat("expected ", expected, ", found ", node_.description(), hint));
    return false;
  }

  ConfigNode& section_;  // its mistakes are the document's
  std::string path_;
  const ConfigNode& node_;
  const Constraint& constraint_;
};

void know(ConfigNode& section, const char* key) {
  auto& known = section.known_keys;
  if (std::find(known.begin(), known.end(), key) == known.end()) known.emplace_back(key);
}

// The member of that name, now known and visited. A required one that is missing is a mistake.
ConfigNode::Member* visit_member(ConfigNode& section, const char* key, const char* help,
                                 const Constraint& constraint) {
  know(section, key);
  if (ConfigNode::Member* member = section.find(key)) {
    member->visited = true;
    return member;
  }
  if (constraint.required && !section.is_refused) {
    const std::string where = section.path.empty() ? "" : " in '" + section.path + "'";
    section.mistakes->push_back(
        {section.place, str_cat("missing key '", key, "'", where, " (", help, ")")});
  }
  return nullptr;
}

template <class T>
void read_field(ConfigNode& section, const char* key, T& value, const char* help,
                const Constraint& constraint) {
  if (const ConfigNode::Member* member = visit_member(section, key, help, constraint))
    ValueReader(section, dotted(section.path, key), *member->value, constraint).read(value);
}

struct Override {
  std::vector<std::string> path;
  std::string value;
};

Override split_override(const std::string& text) {
  const std::size_t equals = text.find('=');
  const auto refuse = [&] {
    throw_error(ErrorKind::kConfig, "override '", text, "': expected section.key=value");
  };
  if (equals == std::string::npos) refuse();
  Override out{{}, text.substr(equals + 1)};
  std::size_t begin = 0;
  while (begin <= equals) {
    const std::size_t end = std::min(text.find('.', begin), equals);
    if (end == begin) refuse();
    out.path.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  constexpr std::size_t kMaxPath = 32;
  if (out.path.size() > kMaxPath) refuse();
  return out;
}

// Puts the value into the tree; sections on the way are made, so that the reader sees an unknown
// one.
void apply_override(ConfigNode& root, const std::string& text, const ConfigPlace& place,
                    std::vector<ConfigMistake>& mistakes) {
  const Override parsed = split_override(text);
  const auto value = parse_config_text(parsed.value, place, mistakes);
  ConfigNode* section = &root;
  std::string path;
  for (std::size_t i = 0; i < parsed.path.size(); ++i) {
    const std::string& key = parsed.path[i];
    if (section->kind == Kind::kNull) section->kind = Kind::kMapping;
    if (section->kind != Kind::kMapping) {
      mistakes.push_back(
          {place, "'" + path + "' is " + section->description() + " in the file; it has no keys"});
      return;
    }
    ConfigNode::Member* member = section->find(key);
    if (member == nullptr) {
      auto made = std::make_shared<ConfigNode>();
      made->place = place;
      member = &section->members.emplace_back(ConfigNode::Member{key, place, made});
    }
    if (i + 1 == parsed.path.size()) {
      member->value = value;
      member->place = place;
    }
    path = dotted(path, key);
    section = member->value.get();
  }
}

void forget_visits(ConfigNode& node) {
  node.known_keys.clear();
  node.is_refused = false;
  for (ConfigNode::Member& member : node.members) {
    member.visited = false;
    forget_visits(*member.value);
  }
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

Constraint at_least(double minimum) { return {.minimum = minimum}; }
Constraint above(double minimum) { return {.minimum = minimum, .minimum_is_open = true}; }
Constraint between(double minimum, double maximum) {
  return {.minimum = minimum, .maximum = maximum};
}
Constraint one_of(std::vector<std::string> choices) { return {.choices = std::move(choices)}; }
Constraint required() { return {.required = true}; }
Constraint not_empty() { return {.not_empty = true}; }

std::string describe(const Constraint& constraint) {
  std::vector<std::string> parts;
  if (constraint.required) parts.emplace_back("required");
  if (constraint.not_empty) parts.emplace_back("not empty");
  if (const std::string range = ValueReader::range(constraint); !range.empty())
    parts.push_back(range);
  if (!constraint.choices.empty()) parts.push_back("one of " + joined(constraint.choices));
  return joined(parts);
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
    // Two changes make any two letters of two: at most half of a short word may differ.
    if (distance < best_distance && 2 * distance <= std::max(word.size(), candidate.size())) {
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

ConfigReader::ConfigReader(std::shared_ptr<ConfigNode> node) : node_(std::move(node)) {}

void ConfigReader::field(const char* key, bool& value, const char* help, const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::field(const char* key, int& value, const char* help, const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::field(const char* key, std::int64_t& value, const char* help,
                         const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::field(const char* key, std::uint64_t& value, const char* help,
                         const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::field(const char* key, double& value, const char* help, const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::field(const char* key, std::string& value, const char* help,
                         const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::field(const char* key, std::vector<int>& value, const char* help,
                         const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::field(const char* key, std::vector<std::string>& value, const char* help,
                         const Constraint& c) {
  read_field(*node_, key, value, help, c);
}

ConfigReader ConfigReader::enter(const char* key) {
  const std::string path = dotted(node_->path, key);
  ConfigNode::Member* const member = visit_member(*node_, key, "", {});
  std::shared_ptr<ConfigNode> inner;
  bool refused = node_->is_refused;
  if (member != nullptr && member->value->kind != Kind::kNull &&
      member->value->kind != Kind::kMapping) {
    node_->mistakes->push_back({member->value->place, "'" + path +
                                                          "': expected a mapping of keys to "
                                                          "values, found " +
                                                          member->value->description()});
    refused = true;
  } else if (member != nullptr) {
    inner = member->value;
  }
  if (inner == nullptr) {
    inner = std::make_shared<ConfigNode>();
    inner->place = member != nullptr ? member->place : node_->place;
  }
  inner->is_refused = refused;
  inner->path = path;
  inner->mistakes = node_->mistakes;
  return ConfigReader(std::move(inner));
}

void ConfigReader::finish() {
  for (const ConfigNode::Member& member : node_->members) {
    if (member.visited) continue;
    const std::string where = node_->path.empty() ? "" : " in '" + node_->path + "'";
    std::string hint = suggestion(member.key, node_->known_keys);
    if (hint.empty())
      hint = node_->known_keys.empty() ? " (no key is known there)"
                                       : " (known: " + joined(node_->known_keys) + ")";
    node_->mistakes->push_back({member.place, "unknown key '" + member.key + "'" + where + hint});
  }
}

bool ConfigReader::has(const char* key) const {
  know(*node_, key);
  return node_->find(key) != nullptr;
}

void ConfigReader::mistake(const char* key, const std::string& message) {
  const ConfigNode::Member* const member = node_->find(key);
  node_->mistakes->push_back({member != nullptr ? member->place : node_->place, message});
}

ConfigDocument ConfigDocument::load(const std::string& path,
                                    std::span<const std::string> overrides) {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
  std::string text;
  try {
    text = read_file(path, kMaxBytes);
  } catch (const Error& error) {
    // A configuration that is not there is a mistake of the command line.
    throw Error(error.kind() == ErrorKind::kData ? ErrorKind::kConfig : error.kind(), error.what());
  }
  return parse(text, path, overrides);
}

ConfigDocument ConfigDocument::parse(const std::string& text, const std::string& place,
                                     std::span<const std::string> overrides) {
  ConfigDocument document;
  document.structural_ = std::make_shared<std::vector<ConfigMistake>>();
  const ConfigPlace start{place, 0, 1, 1};
  document.root_ = parse_config_text(text, start, *document.structural_);
  if (document.root_->kind == Kind::kNull) {
    document.root_->kind = Kind::kMapping;
    document.root_->place = start;
  }
  if (document.root_->kind != Kind::kMapping)
    throw_error(ErrorKind::kConfig, document.root_->place.text(),
                ": expected a mapping of keys to values, found ", document.root_->description());
  for (std::size_t i = 0; i < overrides.size(); ++i)
    apply_override(*document.root_, overrides[i], {"override '" + overrides[i] + "'", i + 1, 0, 0},
                   *document.structural_);
  return document;
}

ConfigReader ConfigDocument::root() {
  forget_visits(*root_);
  root_->mistakes = std::make_shared<std::vector<ConfigMistake>>(*structural_);
  return ConfigReader(root_);
}

void ConfigDocument::close(ConfigReader& reader) {
  reader.finish();
  auto& mistakes = *root_->mistakes;
  if (mistakes.empty()) return;
  std::stable_sort(mistakes.begin(), mistakes.end(), [](const auto& a, const auto& b) {
    return std::tie(a.place.source_order, a.place.line, a.place.column) <
           std::tie(b.place.source_order, b.place.line, b.place.column);
  });
  std::string message;
  for (const ConfigMistake& mistake : mistakes)
    message += (message.empty() ? "" : "\n") + mistake.place.text() + ": " + mistake.message;
  throw Error(ErrorKind::kConfig, message);
}

}  // namespace attune
