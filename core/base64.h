// Base64 of RFC 4648 (through nettle), as servers send vectors.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace attune {

// None where it is no base64: foreign characters, wrong padding. Blanks and line ends are passed
// over.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace attune
