#include "core/config_reader.h"

#include <algorithm>
#include <charconv>
#include <concepts>
#include <type_traits>
#include <utility>

#include "core/config_node.h"
#include "core/error.h"
#include "core/shortened.h"

namespace attune {
namespace {

using Kind = ConfigNode::Kind;

std::string suggestion(const std::string& word, std::span<const std::string> known) {
  const auto near = nearest(word, known);
  return near ? " (did you mean '" + *near + "'?)" : "";
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
      return mistake("expected at least 0, found " + shortened(node_.text));
    T parsed{};
    const auto result = std::from_chars(text.data(), text.data() + text.size(), parsed);
    if (result.ec != std::errc()) {
      if constexpr (std::integral<T>)
        return mistake(str_cat("expected a number from ", std::numeric_limits<T>::min(), " to ",
                               std::numeric_limits<T>::max(), ", found ", shortened(node_.text)));
      return mistake("expected a number that fits into 64 bits, found " + shortened(node_.text));
    }
    const auto as_double = static_cast<double>(parsed);
    const bool too_small = constraint_.minimum_is_open ? as_double <= constraint_.minimum
                                                       : as_double < constraint_.minimum;
    if (too_small || as_double > constraint_.maximum)
      return mistake("expected " + range_text() + ", found " + shortened(node_.text));
    value = parsed;
  }

  void read(std::optional<double>& value) const {
    double given = value.value_or(0);
    const std::size_t before = section_.mistakes->size();
    if (node_.kind != Kind::kNull) read(given);
    if (section_.mistakes->size() != before) return;
    value = node_.kind == Kind::kNull ? std::nullopt : std::optional(given);
  }

  void read(std::string& value) const {
    if (node_.kind == Kind::kList || node_.kind == Kind::kMapping)
      return mistake(
          "expected a string, found " + node_.description() +
          (node_.kind == Kind::kMapping ? " (a text that holds ': ' stands in quotes)" : ""));
    const std::string& text = node_.text;  // empty for a null
    if (constraint_.not_empty && text.empty())
      return mistake("expected a string that is not empty");
    const auto& choices = constraint_.choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end())
      return mistake("'" + shortened(text) + "' is none of " + join_words(choices) +
                     suggestion(text, choices));
    value = text;
  }

  template <class T>
  void read(std::vector<T>& value) const {
    if (constraint_.or_one && (node_.kind == Kind::kScalar || node_.kind == Kind::kNull)) {
      const std::size_t before = section_.mistakes->size();
      T one{};
      if (node_.kind == Kind::kScalar) read(one);
      if (section_.mistakes->size() != before) return;
      value.assign(one == T{} ? 0 : 1, one);
      return;
    }
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

 private:
  std::string range_text() const {
    return describe({.minimum = constraint_.minimum,
                     .maximum = constraint_.maximum,
                     .minimum_is_open = constraint_.minimum_is_open});
  }

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
    ValueReader(section, dotted_path(section.path, key), *member->value, constraint).read(value);
}

}  // namespace

ConfigReader::ConfigReader(std::shared_ptr<ConfigNode> node) : node_(std::move(node)) {}

void ConfigReader::read(const char* key, bool& value, const char* help, const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::read(const char* key, int& value, const char* help, const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::read(const char* key, std::int64_t& value, const char* help,
                        const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::read(const char* key, std::uint64_t& value, const char* help,
                        const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::read(const char* key, double& value, const char* help, const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::read(const char* key, std::optional<double>& value, const char* help,
                        const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::read(const char* key, std::string& value, const char* help,
                        const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::read(const char* key, std::vector<int>& value, const char* help,
                        const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::read(const char* key, std::vector<double>& value, const char* help,
                        const Constraint& c) {
  read_field(*node_, key, value, help, c);
}
void ConfigReader::read(const char* key, std::vector<std::string>& value, const char* help,
                        const Constraint& c) {
  read_field(*node_, key, value, help, c);
}

ConfigReader ConfigReader::enter(const char* key) {
  const std::string path = dotted_path(node_->path, key);
  ConfigNode::Member* const member = visit_member(*node_, key, "", {});
  if (member != nullptr) member->is_section = true;
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
  inner->warnings = node_->warnings;
  return ConfigReader(std::move(inner));
}

void ConfigReader::finish() {
  for (const ConfigNode::Member& member : node_->members) {
    if (member.visited) continue;
    const std::string where = node_->path.empty() ? "" : " in '" + node_->path + "'";
    std::string hint = suggestion(member.key, node_->known_keys);
    if (hint.empty())
      hint = node_->known_keys.empty() ? " (no key is known there)"
                                       : " (known: " + join_words(node_->known_keys) + ")";
    node_->mistakes->push_back({member.place, "unknown key '" + member.key + "'" + where + hint});
  }
}

bool ConfigReader::has(const char* key) const {
  know(*node_, key);
  return node_->find(key) != nullptr;
}

void ConfigReader::note_change(const char* key) { node_->find(key)->is_changed = true; }

void ConfigReader::mistake(const char* key, const std::string& message) {
  const ConfigNode::Member* const member = node_->find_on_the_way(key);
  node_->mistakes->push_back({member != nullptr ? member->place : node_->place, message});
}

void ConfigReader::no_effect(const char* key, bool if_so, const std::string& why) {
  bool is_given = false;
  const ConfigNode::Member* const member = node_->find_on_the_way(key, &is_given);
  if (!if_so || !is_given || !(member->is_section || member->is_changed)) return;
  node_->warnings->push_back(
      {member->place, "'" + dotted_path(node_->path, key) + "' has no effect: " + why});
}

}  // namespace attune
