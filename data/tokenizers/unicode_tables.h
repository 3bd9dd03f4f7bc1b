// What `tokenizers` does to each character in BERT's normaliser and pre-tokeniser: raw tables, made
// by make_unicode_tables.py, which asked the peer about every code point. characters.h looks things
// up.
#pragma once

#include <cstddef>
#include <cstdint>

namespace attune::unicode_tables {

enum Flag : std::uint16_t {
  kRemoved = 1 << 0,      // clean_text removes it
  kSpace = 1 << 1,        // white space: clean_text makes it U+0020, words end at it
  kChinese = 1 << 2,      // handle_chinese_chars puts spaces around it
  kPunctuation = 1 << 3,  // a word of its own
  kWord = 1 << 4,         // \w: an added token with single_word does not match beside it
  kNonstarter = 1 << 5,   // its canonical decomposition has combining classes other than 0 only
  kDropped = 1 << 6,      // strip_accents leaves nothing of it
};

// Characters from `first` up to the next range's have these flags.
struct FlagRange {
  char32_t first;
  std::uint8_t flags;
};
// What strip_accents (canonical decomposition less nonspacing marks) makes of a character, if that
// is neither nothing nor the character itself. Hangul syllables are left out. Unused places are 0.
struct Stripped {
  char32_t from;
  char32_t to[3];
};
// Nonstarters that strip_accents keeps: canonical ordering sorts them by their combining class.
struct Ordered {
  char32_t character;
  std::uint8_t combining_class;
};
// first, first + stride .. last become to_first, to_first + stride .. in lower case. ASCII and
// U+0130 (which becomes U+0069 U+0307, the one that grows) are left out.
struct LowerRun {
  char32_t first, last;
  std::uint8_t stride;
  char32_t to_first;
};

extern const FlagRange kFlags[];
extern const std::size_t kFlagsSize;
extern const Stripped kStripped[];
extern const std::size_t kStrippedSize;
extern const Ordered kOrdered[];
extern const std::size_t kOrderedSize;
extern const LowerRun kLowerRuns[];
extern const std::size_t kLowerRunsSize;

}  // namespace attune::unicode_tables
