#include "data/tokenizers/graphemes.h"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "data/tokenizers/characters.h"

namespace attune {
namespace {

using namespace grapheme_tables;

constexpr std::uint8_t kClassBits = 15;

// Every code point's number, in distinct blocks.
class GraphemeClasses {
 public:
  static const GraphemeClasses& get() {
    static const GraphemeClasses classes;
    return classes;
  }
  std::uint8_t of(char32_t c) const { return numbers_[blocks_[c / kBlock] * kBlock + c % kBlock]; }

 private:
  static constexpr char32_t kBlock = 128;

  GraphemeClasses() {
    std::vector<std::uint8_t> all(0x110000);
    for (std::size_t i = 0; i < kRangesSize; ++i) {
      const char32_t end = i + 1 < kRangesSize ? kRanges[i + 1].first : 0x110000;
      std::fill(all.begin() + kRanges[i].first, all.begin() + end, kRanges[i].number);
    }
    for (char32_t c = 0xAC00; c <= 0xD7A3; ++c) all[c] = (c - 0xAC00) % 28 == 0 ? kLv : kLvt;
    std::map<std::vector<std::uint8_t>, std::uint16_t> known;
    for (std::size_t block = 0; block < blocks_.size(); ++block) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(block * kBlock);
      std::vector<std::uint8_t> numbers(begin, begin + kBlock);
      const auto [found, added] =
          known.emplace(std::move(numbers), static_cast<std::uint16_t>(known.size()));
      if (added) numbers_.insert(numbers_.end(), begin, begin + kBlock);
      blocks_[block] = found->second;
    }
  }

  std::array<std::uint16_t, 0x110000 / kBlock> blocks_;
  std::vector<std::uint8_t> numbers_;
};

bool is_control(std::uint8_t c) { return c == kCr || c == kLf || c == kControl; }

// What the rules that look back further than one character need of a cluster so far.
struct Behind {
  int regional_indicators = 0;           // at its end
  bool pictograph = false;               // ends in kPictographic kExtend*
  bool pictograph_joiner = false;        // and then kZwj
  bool consonant = false, link = false;  // ends in a consonant and (kJoins or kLinker)*; a linker
                                         // among them
  void add(std::uint8_t number) {
    const std::uint8_t c = number & kClassBits;
    const std::uint8_t conjunct = number & ~kClassBits;
    regional_indicators = c == kRegionalIndicator ? regional_indicators + 1 : 0;
    pictograph_joiner = pictograph && c == kZwj;
    pictograph = c == kPictographic || (pictograph && c == kExtend);
    if (conjunct == kConsonant) {
      consonant = true;
      link = false;
    } else if (consonant && conjunct == kLinker) {
      link = true;
    } else if (conjunct != kJoins) {
      consonant = link = false;
    }
  }
};

// GB3 to GB13 of Annex 29: no break between `before` and `after`.
bool joined(std::uint8_t before, std::uint8_t after, const Behind& behind) {
  const std::uint8_t left = before & kClassBits, right = after & kClassBits;
  if (left == kCr && right == kLf) return true;
  if (is_control(left) || is_control(right)) return false;
  if (right == kExtend || right == kZwj || right == kSpacingMark || left == kPrepend) return true;
  switch (left) {
    case kL:
      if (right == kL || right == kV || right == kLv || right == kLvt) return true;
      break;
    case kLv:
    case kV:
      if (right == kV || right == kT) return true;
      break;
    case kLvt:
    case kT:
      if (right == kT) return true;
      break;
    default:
      break;
  }
  if (behind.link && (after & ~kClassBits) == kConsonant) return true;
  if (behind.pictograph_joiner && right == kPictographic) return true;
  return left == kRegionalIndicator && right == kRegionalIndicator &&
         behind.regional_indicators % 2 == 1;
}

}  // namespace

std::size_t end_of_grapheme(std::string_view text, std::size_t at) {
  const GraphemeClasses& classes = GraphemeClasses::get();
  Behind behind;
  std::uint8_t before = classes.of(next_character(text, at));
  behind.add(before);
  while (at < text.size()) {
    std::size_t next = at;
    const std::uint8_t after = classes.of(next_character(text, next));
    if (!joined(before, after, behind)) break;
    behind.add(after);
    before = after;
    at = next;
  }
  return at;
}

}  // namespace attune
