// Of a text that a message quotes.
#pragma once

#include <string>

namespace attune {

// Its first 60 bytes or a little less, not inside a character, and "..." where more follows.
std::string shortened(const std::string& text);

}  // namespace attune
