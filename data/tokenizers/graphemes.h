// Grapheme clusters, what a reader takes for one character (Unicode Standard Annex 29, extended
// clusters), with the classes that `tokenizers` gives to characters: its Precompiled normaliser
// asks for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace attune {

// The end of the cluster that starts at text[at]; at < text.size(), text is UTF-8 and the text
// before `at` is whole clusters. One pass over the cluster.
std::size_t end_of_grapheme(std::string_view text, std::size_t at);

// Whether a character below 0x80 is a cluster of its own before any other such character: all but
// CR, which LF may follow.
constexpr bool ascii_stands_alone(unsigned char c) { return c < 0x80 && c != '\r'; }

namespace grapheme_tables {  // raw, made by make_grapheme_tables.py

// Names as in Annex 29; kPictographic is its Extended_Pictographic. Hangul syllables are computed.
enum Class : std::uint8_t {
  kOther,
  kCr,
  kLf,
  kControl,
  kExtend,
  kZwj,
  kRegionalIndicator,
  kPrepend,
  kSpacingMark,
  kL,
  kV,
  kT,
  kLv,
  kLvt,
  kPictographic,
};
// Indic_Conjunct_Break, above the four bits of the class.
enum Conjunct : std::uint8_t { kNone = 0, kConsonant = 1 << 4, kLinker = 2 << 4, kJoins = 3 << 4 };

// Characters from `first` up to the next range's have this class and conjunct.
struct Range {
  char32_t first;
  std::uint8_t number;
};
extern const Range kRanges[];
extern const std::size_t kRangesSize;

}  // namespace grapheme_tables
}  // namespace attune
