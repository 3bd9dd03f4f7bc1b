// The merges of a byte-pair encoding: which two neighbours become which token, and how early. A
// hash table with open addressing, because BPE does nothing else but look pairs up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace attune {

struct Merge {
  static constexpr std::uint32_t kNever = ~std::uint32_t{0};
  std::uint32_t rank = kNever;  // the lowest is done first
  std::int32_t id = -1;         // of the two together
};

class MergeTable {
 public:
  // Room for `count` merges.
  explicit MergeTable(std::size_t count) {
    std::size_t size = 16;
    while (size < count * 2) size *= 2;
    slots_.resize(size);
  }
  // A pair that is there already gets the new rank, as in the peer. Ids are >= 0.
  void put(std::int32_t left, std::int32_t right, Merge merge) {
    Slot& slot = slots_[place(key_of(left, right))];
    slot = {key_of(left, right), merge};
  }
  // Rank kNever where the two do not merge.
  Merge find(std::int32_t left, std::int32_t right) const {
    return slots_[place(key_of(left, right))].merge;
  }

 private:
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kFree;
    Merge merge;
  };
  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 |
           static_cast<std::uint32_t>(right);
  }
  // Where the key is, or the free slot where it would be; at most half of the slots are taken.
  std::size_t place(std::uint64_t key) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = ((key * 0x9E3779B97F4A7C15u) >> 20) & mask;
    while (slots_[at].key != key && slots_[at].key != kFree) at = (at + 1) & mask;
    return at;
  }

  std::vector<Slot> slots_;
};

}  // namespace attune
