#include "data/tokenizers/precompiled_normalizer.h"

#include <array>
#include <cstdint>
#include <utility>

#include "core/error.h"
#include "data/tokenizers/json_place.h"

namespace attune {
namespace {

// RFC 4648, with padding and nothing else.
std::string decode_base64(const JsonPlace& section) {
  static const std::array<std::int8_t, 256> kValues = [] {
    std::array<std::int8_t, 256> values;
    values.fill(-1);
    constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::int8_t i = 0; i < 64; ++i) {
      values[static_cast<unsigned char>(kDigits[i])] = i;
    }
    return values;
  }();
  const std::string& text = section.text();
  std::size_t digits = text.size();
  while (digits > 0 && text.size() - digits < 2 && text[digits - 1] == '=') --digits;
  if (text.empty() || text.size() % 4 != 0) section.refuse("base64, in groups of four");
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::int8_t value = i < digits ? kValues[static_cast<unsigned char>(text[i])] : 0;
    if (value < 0) {
      throw_error(ErrorKind::kData, section.where(), ": character ", i, " of ", text.size(),
                  " is not base64");
    }
    group = group << 6 | static_cast<std::uint32_t>(value);
    if (i % 4 == 3) {
      bytes +=
          {static_cast<char>(group >> 16), static_cast<char>(group >> 8), static_cast<char>(group)};
      group = 0;
    }
  }
  bytes.resize(bytes.size() - (text.size() - digits));
  return bytes;
}

}  // namespace

PrecompiledNormalizer::PrecompiledNormalizer(const JsonPlace& section)
    : charsmap_(decode_base64(section.at("precompiled_charsmap")), section.where()) {}

void PrecompiledNormalizer::normalize(std::string& text) const {
  std::string normalized;
  charsmap_.append(text, normalized);
  text = std::move(normalized);
}

}  // namespace attune
