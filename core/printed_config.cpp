#include "core/printed_config.h"

#include <algorithm>
#include <sstream>

#include "core/error.h"

namespace attune {
namespace {

constexpr std::size_t kMaxDepth = 32;

}  // namespace

std::vector<Setting> parse_printed_config(const std::string& text, const std::string& place) {
  std::vector<Setting> settings;
  std::vector<std::string> sections;  // those that the line stands in
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::size_t indent = line.find_first_not_of(' ');
    if (indent == std::string::npos || line[indent] == '#') continue;
    const std::size_t colon = line.find(':', indent), depth = indent / 2;
    const bool has_value = colon != std::string::npos && colon + 2 < line.size();
    const bool is_section = colon != std::string::npos && colon + 1 == line.size();
    if (indent % 2 == 1 || depth > sections.size() || depth > kMaxDepth || colon == indent ||
        !(is_section || (has_value && line[colon + 1] == ' ')))
      throw_error(ErrorKind::kData, place, ":", number,
                  ": not a line that attune prints; expected 'key: value' or 'section:', two "
                  "spaces deeper in each section");
    sections.resize(depth);
    std::string key;
    for (const std::string& section : sections) key += section + ".";
    const std::string name = line.substr(indent, colon - indent);
    if (is_section)
      sections.push_back(name);
    else
      settings.push_back({key + name, line.substr(colon + 2)});
  }
  return settings;
}

std::vector<Setting> settings_beyond(const std::vector<Setting>& settings,
                                     const std::vector<Setting>& others) {
  std::vector<Setting> beyond;
  for (const Setting& setting : settings)
    if (std::find(others.begin(), others.end(), setting) == others.end()) beyond.push_back(setting);
  return beyond;
}

std::string value_of(const std::vector<Setting>& settings, const std::string& key) {
  for (const Setting& setting : settings)
    if (setting.key == key) return setting.value;
  return "";
}

std::string unquoted(const std::string& value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return value;
  std::string text;
  for (std::size_t i = 1; i + 1 < value.size(); ++i) {
    if (value[i] == '\\' && i + 2 < value.size()) ++i;
    text += value[i];
  }
  return text;
}

std::vector<std::string> list_items(const std::string& value) {
  const bool is_list = value.size() >= 2 && value.front() == '[' && value.back() == ']';
  const std::string inside = is_list ? value.substr(1, value.size() - 2) : value;
  std::vector<std::string> items(1);
  bool quoted = false;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    const char c = inside[i];
    if (c == '"') quoted = !quoted;
    if (is_list && !quoted && c == ',') {
      items.emplace_back();
      continue;
    }
    if (items.back().empty() && !quoted && c == ' ') continue;
    items.back() += c;
    if (quoted && c == '\\' && i + 1 < inside.size()) items.back() += inside[++i];
  }
  for (std::string& item : items) item = unquoted(item);
  if (items.size() == 1 && items[0].empty()) items.clear();
  return items;
}

}  // namespace attune
