// A set of characters of a regular expression: what is asked of it, and the same as a bitmap.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "data/tokenizers/characters.h"

namespace attune {

// (ranges or categories or flags or any of `either`) and all of `all`; only the latter where none
// of the former is given. The opposite of that if negated.
struct CharacterClass {
  std::vector<std::pair<char32_t, char32_t>> ranges;  // first and last
  std::uint32_t categories = 0;                       // bits, by text_tables.h's numbers
  std::uint16_t flags = 0;                            // of text_tables.h
  std::vector<CharacterClass> either, all;
  bool negated = false;

  bool contains(char32_t c, std::uint16_t value) const;  // value: TextClasses of c
  bool has_range_in(char32_t first, char32_t last) const;
};

class CharacterSet {
 public:
  explicit CharacterSet(const CharacterClass& rules);
  bool contains_ascii(unsigned char c) const { return ascii_[c]; }
  bool contains(char32_t c) const {
    return bits_[pages_[c >> 8] * 4 + (c >> 6 & 3)] >> (c & 63) & 1;
  }
  bool beyond_ascii() const { return beyond_ascii_; }  // any character from U+0080

  // Moves `at` over at most `most` characters of the set; returns how many.
  std::uint32_t run(std::string_view text, std::size_t& at, std::uint32_t most) const {
    std::uint32_t count = 0;
    while (count < most && at < text.size()) {
      const auto byte = static_cast<unsigned char>(text[at]);
      if (byte < 0x80) {
        if (!ascii_[byte]) break;
        ++at;
      } else {
        std::size_t end = at;
        if (!contains(next_character(text, end))) break;
        at = end;
      }
      ++count;
    }
    return count;
  }

 private:
  std::array<bool, 128> ascii_;
  std::array<std::uint16_t, 0x110000 / 256> pages_;
  std::vector<std::uint64_t> bits_;  // four words a page
  bool beyond_ascii_ = false;
};

}  // namespace attune
