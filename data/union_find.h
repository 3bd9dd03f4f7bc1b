// Items joined into groups (Tarjan 1975): which are together, over any others in between.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace attune {

class UnionFind {
 public:
  explicit UnionFind(std::int64_t items) : parent_(static_cast<std::size_t>(items)) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }
  // The least item of its group.
  std::int64_t find(std::int64_t item) {
    while (parent_[item] != item) item = parent_[item] = parent_[parent_[item]];
    return item;
  }
  void join(std::int64_t a, std::int64_t b) {
    const auto [first, second] = std::minmax({find(a), find(b)});
    parent_[second] = first;
  }

 private:
  std::vector<std::int64_t> parent_;  // an earlier item of the group, or itself
};

}  // namespace attune
