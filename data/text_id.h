// The id of a passage or a question that was made here: of its text alone, so that it is the same
// in every run and every data set.
#pragma once

#include <string>
#include <string_view>

#include "core/hash.h"

namespace attune {

// The first 16 hexadecimal digits of the text's SHA-256.
inline std::string text_id(std::string_view text) { return sha256(text).substr(0, 16); }

}  // namespace attune
