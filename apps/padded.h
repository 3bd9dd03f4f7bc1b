// A column of what commands print.
#pragma once

#include <string>

namespace attune {

inline std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(text.size() < width ? width - text.size() : 0, ' ');
}

}  // namespace attune
