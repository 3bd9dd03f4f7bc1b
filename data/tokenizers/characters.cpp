#include "data/tokenizers/characters.h"

#include <algorithm>
#include <map>

#include "core/error.h"

namespace attune {
namespace {

using namespace unicode_tables;

constexpr char32_t kCapitalIWithDot = 0x130;
constexpr char32_t kFirstSyllable = 0xAC00;
constexpr char32_t kLastSyllable = 0xD7A3;

// The row whose key (its first member) is c; there must be one.
template <class Row>
const Row& row_of(const Row* rows, std::size_t size, char32_t Row::* key, char32_t c) {
  const Row* found = std::lower_bound(
      rows, rows + size, c, [key](const Row& row, char32_t value) { return row.*key < value; });
  ATTUNE_ASSERT(found != rows + size && found->*key == c);
  return *found;
}

}  // namespace

const Characters& Characters::get() {
  static const Characters characters;
  return characters;
}

Characters::Characters() {
  std::vector<std::uint16_t> all(0x110000);
  for (std::size_t i = 0; i < kFlagsSize; ++i) {
    const char32_t end = i + 1 < kFlagsSize ? kFlags[i + 1].first : 0x110000;
    std::fill(all.begin() + kFlags[i].first, all.begin() + end, kFlags[i].flags);
  }
  for (std::size_t i = 0; i < kStrippedSize; ++i) all[kStripped[i].from] |= kHasStripped;
  for (char32_t c = kFirstSyllable; c <= kLastSyllable; ++c) all[c] |= kHasStripped;
  for (std::size_t i = 0; i < kLowerRunsSize; ++i) {
    const LowerRun& run = kLowerRuns[i];
    for (char32_t c = run.first; c <= run.last; c += run.stride) all[c] |= kHasLower;
  }
  for (char32_t c = 'A'; c <= 'Z'; ++c) all[c] |= kHasLower;
  all[kCapitalIWithDot] |= kHasLower;

  std::map<std::vector<std::uint16_t>, std::uint16_t> numbers;
  for (std::size_t block = 0; block < blocks_.size(); ++block) {
    const auto begin = all.begin() + block * kBlock;
    std::vector<std::uint16_t> flags(begin, begin + kBlock);
    const auto [found, added] =
        numbers.emplace(std::move(flags), static_cast<std::uint16_t>(numbers.size()));
    if (added) flags_.insert(flags_.end(), begin, begin + kBlock);
    blocks_[block] = found->second;
  }
}

std::span<const char32_t> Characters::stripped(char32_t c, std::array<char32_t, 3>& hangul) const {
  if (c >= kFirstSyllable && c <= kLastSyllable) {  // The Unicode Standard, section 3.12
    const char32_t index = c - kFirstSyllable;
    hangul = {0x1100 + index / 588, 0x1161 + index % 588 / 28, 0x11A7 + index % 28};
    return {hangul.data(), index % 28 == 0 ? std::size_t{2} : std::size_t{3}};
  }
  const Stripped& row = row_of(kStripped, kStrippedSize, &Stripped::from, c);
  std::size_t size = 1;
  while (size < 3 && row.to[size] != 0) ++size;
  return {row.to, size};
}

char32_t Characters::lower(char32_t c) const {
  if (c < 0x80) return c + ('a' - 'A');
  if (c == kCapitalIWithDot) return 'i';
  const LowerRun* const end = kLowerRuns + kLowerRunsSize;
  const LowerRun* run = std::upper_bound(
      kLowerRuns, end, c, [](char32_t value, const LowerRun& r) { return value < r.first; });
  ATTUNE_ASSERT(run != kLowerRuns);
  // Two runs of stride 2 may interleave (a capital's run and its neighbour's).
  for (--run; run > kLowerRuns && (c > run->last || (c - run->first) % run->stride != 0); --run) {
  }
  return run->to_first + (c - run->first);
}

std::uint8_t Characters::combining_class(char32_t c) const {
  return row_of(kOrdered, kOrderedSize, &Ordered::character, c).combining_class;
}

void append_utf8(char32_t c, std::string& out) {
  const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

}  // namespace attune
