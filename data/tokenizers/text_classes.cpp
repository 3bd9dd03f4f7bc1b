#include "data/tokenizers/text_classes.h"

#include <algorithm>
#include <map>

namespace attune {

using namespace text_tables;

const TextClasses& TextClasses::get() {
  static const TextClasses classes;
  return classes;
}

TextClasses::TextClasses() {
  std::vector<std::uint16_t> all(0x110000);
  for (std::size_t i = 0; i < kClassesSize; ++i) {
    const char32_t end = i + 1 < kClassesSize ? kClasses[i + 1].first : 0x110000;
    std::fill(all.begin() + kClasses[i].first, all.begin() + end, kClasses[i].value);
  }
  std::map<std::vector<std::uint16_t>, std::uint16_t> numbers;
  for (std::size_t page = 0; page < pages_.size(); ++page) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(page * kPage);
    std::vector<std::uint16_t> values(begin, begin + kPage);
    const auto [found, added] =
        numbers.emplace(std::move(values), static_cast<std::uint16_t>(numbers.size()));
    if (added) values_.insert(values_.end(), begin, begin + kPage);
    pages_[page] = found->second;
  }
}

}  // namespace attune
