// Fast look-up of what a character is to BERT's tokenizer, and UTF-8 in and out.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizers/unicode_tables.h"

namespace attune {

// unicode_tables.h's flags, and two of our own that say whether a look-up is worth while.
inline constexpr std::uint16_t kHasStripped = 1 << 8;
inline constexpr std::uint16_t kHasLower = 1 << 9;

class Characters {
 public:
  static const Characters& get();  // made on first use, constant afterwards

  std::uint16_t flags(char32_t c) const {
    return flags_[blocks_[c / kBlock] * kBlock + c % kBlock];
  }
  // What strip_accents makes of a character with kHasStripped. `hangul` is room for a syllable.
  std::span<const char32_t> stripped(char32_t c, std::array<char32_t, 3>& hangul) const;
  // Of a character with kHasLower. U+0130 gives U+0069; the caller adds U+0307.
  char32_t lower(char32_t c) const;
  // Canonical combining class of a character with kNonstarter and without kDropped.
  std::uint8_t combining_class(char32_t c) const;

 private:
  static constexpr char32_t kBlock = 128;
  Characters();
  std::array<std::uint16_t, 0x110000 / kBlock> blocks_;
  std::vector<std::uint16_t> flags_;  // the distinct blocks
};

// The character that starts at text[at]; `at` moves behind it. The text must be UTF-8.
inline char32_t next_character(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return ++at, lead;
  char32_t c = 0;
  if (lead < 0xE0) {
    c = (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    at += 2;
  } else if (lead < 0xF0) {
    c = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    at += 3;
  } else {
    c = (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
    at += 4;
  }
  return c;
}

// Start of the character that ends before text[end]; end > 0.
inline std::size_t previous_character(std::string_view text, std::size_t end) {
  do --end;
  while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
  return end;
}

void append_utf8(char32_t c, std::string& out);

}  // namespace attune
