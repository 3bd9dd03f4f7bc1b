// A trie over byte strings in one array (Aoe 1989, with Yata's labels instead of parents): a step
// is one look into memory, whatever the number of children. For vocabularies whose every prefix of
// a text is asked for; ByteTrie is smaller, and builds faster.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attune {

class DoubleArray {  // immutable and thread-safe
  // The child of a node for byte c is units_[base ^ c] if its label is c. Base 0 has no children.
  struct Unit {
    std::uint32_t base_and_label = 0;  // 24 and 8 bits
    std::int32_t value = -1;
  };

 public:
  // Of keys alike the last one's value counts; values are >= 0. The empty key is left out. More
  // nodes than 2^24 less a few are an Error{kData} that names `place`.
  DoubleArray(std::vector<std::pair<std::string_view, std::int32_t>> keys,
              const std::string& place);

  class Walk {  // from the root along a text
   public:
    explicit Walk(const DoubleArray& trie) : units_(trie.units_.data()), base_(trie.root_) {}
    // False: no key goes on like this; the walk is over.
    bool step(char byte) {
      const auto c = static_cast<std::uint8_t>(byte);
      const Unit& unit = units_[base_ ^ c];
      if (static_cast<std::uint8_t>(unit.base_and_label) != c) return false;
      base_ = unit.base_and_label >> 8;
      value_ = unit.value;
      return true;
    }
    std::int32_t value() const { return value_; }  // of the key that ends here; -1: none does

   private:
    const Unit* units_;
    std::uint32_t base_;
    std::int32_t value_ = -1;
  };

  std::int32_t find(std::string_view key) const;  // -1: not there

 private:
  std::vector<Unit> units_;  // whole blocks of 256
  std::uint32_t root_ = 0;
};

}  // namespace attune
