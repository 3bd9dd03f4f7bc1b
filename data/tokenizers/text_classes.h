// What a character is to the peer's regular expressions, pre-tokenizers and normalizers.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "data/tokenizers/text_tables.h"

namespace attune {

class TextClasses {
 public:
  static constexpr char32_t kPage = 256;
  static const TextClasses& get();  // made on first use, constant afterwards

  // Category and flags of text_tables.h. Characters of pages with the same number have the same.
  std::uint16_t value(char32_t c) const { return values_[pages_[c / kPage] * kPage + c % kPage]; }
  std::uint16_t page(char32_t c) const { return pages_[c / kPage]; }

 private:
  TextClasses();
  std::array<std::uint16_t, 0x110000 / kPage> pages_;
  std::vector<std::uint16_t> values_;  // of the distinct pages
};

}  // namespace attune
