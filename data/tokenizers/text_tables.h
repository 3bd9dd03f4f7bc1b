// What `tokenizers` makes of each character in its normalizers and pre-tokenizers other than
// BERT's: raw tables, made by make_text_tables.py, which asked the peer. text_classes.h and
// unicode_normalizer.h look things up.
#pragma once

#include <cstddef>
#include <cstdint>

namespace attune::text_tables {

// General categories, in the order of the table's numbers, as the peer's regular expressions
// (Oniguruma) know them.
inline constexpr const char* kCategories[] = {
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe",
    "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"};

inline constexpr std::uint16_t kCategoryMask = 31;
enum Flag : std::uint16_t {  // beside the category
  kRegexWord = 1 << 5,       // \w of Oniguruma
  kRegexSpace = 1 << 6,      // \s of Oniguruma; also white space to Strip and WhitespaceSplit
  kHan = 1 << 7,             // \p{Han}
  kWhitespaceWord = 1 << 8,  // \w of the pre-tokenizer Whitespace, which has another engine
  kNumeric = 1 << 9,         // Digits splits at it
  kMark = 1 << 10,           // StripAccents removes it
};
// Characters from `first` up to the next range's.
struct ClassRange {
  char32_t first;
  std::uint16_t value;
};

// Full decompositions: kDecomposed[at .. at + size). A size of 0 means the character itself. Hangul
// syllables are left out.
struct Decomposition {
  char32_t from;
  std::uint16_t canonical_at, compatible_at;
  std::uint8_t canonical_size, compatible_size;
};
// NFC makes `to` of `first` and `second`. In order of (first, second). Hangul is left out.
struct Composition {
  char32_t first, second, to;
};
struct CombiningRange {  // characters first .. last have this canonical combining class
  char32_t first, last;
  std::uint8_t combining_class;
};

extern const ClassRange kClasses[];
extern const std::size_t kClassesSize;
extern const char32_t kDecomposed[];
extern const std::size_t kDecomposedSize;
extern const Decomposition kDecompositions[];
extern const std::size_t kDecompositionsSize;
extern const Composition kCompositions[];
extern const std::size_t kCompositionsSize;
extern const CombiningRange kCombining[];
extern const std::size_t kCombiningSize;

}  // namespace attune::text_tables
