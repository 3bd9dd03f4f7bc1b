// How long something took, for people.
#pragma once

#include <string>

namespace attune {

// 0.2161 -> "0.22 s", 2.5 -> "2.5 s", 247.6 -> "4 min 8 s", 7265 -> "2 h 1 min".
std::string duration_text(double seconds);

}  // namespace attune
