#include "data/tokenizers/character_set.h"

#include <algorithm>
#include <map>

#include "data/tokenizers/text_classes.h"

namespace attune {

bool CharacterClass::contains(char32_t c, std::uint16_t value) const {
  const bool all_alone =
      !all.empty() && ranges.empty() && categories == 0 && flags == 0 && either.empty();
  bool in = all_alone || (categories >> (value & text_tables::kCategoryMask) & 1) ||
            (value & flags) != 0 ||
            std::any_of(ranges.begin(), ranges.end(),
                        [c](const auto& range) { return c >= range.first && c <= range.second; }) ||
            std::any_of(either.begin(), either.end(),
                        [&](const auto& other) { return other.contains(c, value); });
  in = in && std::all_of(all.begin(), all.end(),
                         [&](const auto& other) { return other.contains(c, value); });
  return in != negated;
}

bool CharacterClass::has_range_in(char32_t first, char32_t last) const {
  const auto asks = [&](const auto& other) { return other.has_range_in(first, last); };
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& r) { return r.first <= last && r.second >= first; }) ||
         std::any_of(either.begin(), either.end(), asks) ||
         std::any_of(all.begin(), all.end(), asks);
}

CharacterSet::CharacterSet(const CharacterClass& rules) {
  const TextClasses& classes = TextClasses::get();
  // Where no range says otherwise, a character is in by its classes alone, and pages of the same
  // classes have the same bits.
  std::map<std::uint16_t, std::uint16_t> plain;
  std::array<std::int8_t, 2048> by_value;  // -1: not asked yet
  by_value.fill(-1);
  for (std::size_t page = 0; page < pages_.size(); ++page) {
    const auto first = static_cast<char32_t>(page * 256);
    const bool special = rules.has_range_in(first, first + 255);
    if (!special) {
      const auto found = plain.find(classes.page(first));
      if (found != plain.end()) {
        pages_[page] = found->second;
        continue;
      }
    }
    pages_[page] = static_cast<std::uint16_t>(bits_.size() / 4);
    if (!special) plain.emplace(classes.page(first), pages_[page]);
    bits_.resize(bits_.size() + 4);
    for (char32_t c = first; c < first + 256; ++c) {
      const std::uint16_t value = classes.value(c);
      std::int8_t& known = by_value.at(value);
      if (!special && known < 0) known = rules.contains(c, value) ? 1 : 0;
      if (special ? !rules.contains(c, value) : known == 0) continue;
      bits_[pages_[page] * std::size_t{4} + (c >> 6 & 3)] |= std::uint64_t{1} << (c & 63);
      beyond_ascii_ = beyond_ascii_ || c >= 0x80;
    }
  }
  for (char32_t c = 0; c < 128; ++c) ascii_[c] = contains(c);
}

}  // namespace attune
