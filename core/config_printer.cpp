#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "core/config_reader.h"
#include "core/error.h"

namespace attune {
namespace {

template <class T>
std::string number(T value) {
  std::array<char, 32> buffer;
  return {buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr};
}

// Words and paths that no YAML reader takes for anything else stay bare; all else is quoted.
bool is_bare(std::string_view text) {
  constexpr std::array<std::string_view, 9> kTaken = {"true", "false", "yes", "no", "on",
                                                      "off",  "null",  "y",   "n"};
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_inside = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '/';
  };
  if (text.empty() ||
      !(is_letter(text[0]) || text[0] == '/' || text.starts_with("./") || text.starts_with("../")))
    return false;
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return std::all_of(text.begin(), text.end(), is_inside) &&
         std::find(kTaken.begin(), kTaken.end(), lower) == kTaken.end();
}

std::string scalar(const std::string& text) {
  if (is_bare(text)) return text;
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + "\"";
}
std::string scalar(int value) { return number(value); }
std::string scalar(double value) { return number(value); }

template <class T>
std::string list(const std::vector<T>& values) {
  std::string out;
  for (const T& value : values) out += (out.empty() ? "" : ", ") + scalar(value);
  return "[" + out + "]";
}

}  // namespace

void ConfigPrinter::line(const char* key, const std::string& value) {
  const std::string path = sections_.empty() ? key : sections_.back() + "." + key;
  lines_.push_back({static_cast<int>(sections_.size()), path, key, value});
}

void ConfigPrinter::print(const char* key, bool value) { line(key, value ? "true" : "false"); }
void ConfigPrinter::print(const char* key, std::int64_t value) { line(key, number(value)); }
void ConfigPrinter::print(const char* key, std::uint64_t value) { line(key, number(value)); }
void ConfigPrinter::print(const char* key, double value) {
  ATTUNE_ASSERT(std::isfinite(value));
  line(key, number(value));
}
void ConfigPrinter::print(const char* key, const std::optional<double>& value) {
  if (value) return print(key, *value);
  line(key, "null");
}
void ConfigPrinter::print(const char* key, const std::string& value) { line(key, scalar(value)); }
void ConfigPrinter::print(const char* key, const std::vector<int>& value) {
  line(key, list(value));
}
void ConfigPrinter::print(const char* key, const std::vector<double>& value) {
  line(key, list(value));
}
void ConfigPrinter::print(const char* key, const std::vector<std::string>& value) {
  line(key, list(value));
}
void ConfigPrinter::open(const char* key) {
  line(key, "");
  sections_.push_back(lines_.back().path);
}
void ConfigPrinter::close() { sections_.pop_back(); }

namespace {

std::string yaml_of(const ConfigPrinter::Line& line) {
  return std::string(static_cast<std::size_t>(2 * line.depth), ' ') + line.key +
         (line.value.empty() ? ":" : ": " + line.value);
}

}  // namespace

std::string ConfigPrinter::text() const {
  std::string text;
  for (const Line& line : lines_) text += yaml_of(line) + "\n";
  return text;
}

std::string print_with_origins(const ConfigPrinter& printer, const ConfigOrigins& origins) {
  constexpr std::size_t kColumn = 40;
  std::string text;
  for (const ConfigPrinter::Line& line : printer.lines()) {
    std::string shown = yaml_of(line);
    if (!line.value.empty()) {
      const auto origin = origins.find(line.path);
      if (shown.size() < kColumn) shown.resize(kColumn, ' ');
      shown += "  # " + (origin == origins.end() ? "default" : origin->second);
    }
    text += shown + "\n";
  }
  return text;
}

}  // namespace attune
