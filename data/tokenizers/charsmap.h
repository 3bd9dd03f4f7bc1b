// A precompiled charsmap: sentencepiece's rules of normalisation (what is replaced by what), in the
// files of its models and in the `Precompiled` normaliser of tokenizer.json.
//   bytes 0-3    size of the trie in bytes, little endian
//   trie         a double array (darts-clone): 32-bit units, a rule's end holds the place of its
//   result the rest     results, each ended by a zero byte
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

class Charsmap {  // immutable and thread-safe
 public:
  // Follows every way through the trie once. Error{kData} naming `place` where one leads outside,
  // where a result is not UTF-8, and where more rules are prefixes of each other than sentencepiece
  // has room for (it does not look itself).
  Charsmap(std::string_view blob, const std::string& place);

  // What `tokenizers` makes of the text (UTF-8): of each grapheme cluster of less than six bytes
  // the result of the shortest rule that is a prefix of it, in place of the whole cluster; of other
  // clusters, and where there is no such rule, the same for each character. (sentencepiece takes
  // the longest rule at each place and knows no clusters.)
  void append(std::string_view text, std::string& out) const;

 private:
  using Unit = std::uint32_t;
  static bool has_leaf(Unit unit) { return (unit >> 8) & 1; }
  static std::uint32_t value(Unit unit) { return unit & 0x7FFFFFFF; }
  static std::uint32_t label(Unit unit) { return unit & 0x800000FF; }
  static std::uint32_t offset(Unit unit) { return (unit >> 10) << ((unit & (1 << 9)) >> 6); }

  void check(const std::string& place) const;
  // Where the children of a unit are; refuses what is wrong with the unit itself.
  std::size_t checked_base(std::size_t node, const std::string& place) const;
  // The result of the shortest rule that is a prefix of the text; null: no rule.
  const char* result(std::string_view text) const;

  std::vector<Unit> units_;
  std::string results_;
  std::array<bool, 128> plain_ascii_;  // no rule starts with this character
};

}  // namespace attune
