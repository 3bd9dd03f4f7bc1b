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
  text_.append(static_cast<std::size_t>(2 * depth_), ' ');
  text_ += key;
  text_ += value.empty() ? ":" : ": " + value;
  text_ += '\n';
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
  ++depth_;
}
void ConfigPrinter::close() { --depth_; }

}  // namespace attune
