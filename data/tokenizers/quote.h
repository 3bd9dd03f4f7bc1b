// A token of somebody's file inside an error message: in quotes, control characters escaped, cut.
#pragma once

#include <string>
#include <string_view>

namespace attune {

inline std::string quote(std::string_view token) {
  constexpr std::size_t kShown = 60;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char byte : token.substr(0, kShown)) {
    const auto value = static_cast<unsigned char>(byte);
    if (value < 0x20 || value == 0x7F) {
      out += {'\\', 'x', kHex[value >> 4], kHex[value & 15]};
    } else {
      out += byte;
    }
  }
  return out + (token.size() > kShown ? "...\"" : "\"");
}

}  // namespace attune
