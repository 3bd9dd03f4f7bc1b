#include "data/tokenizers/byte_trie.h"

#include <algorithm>

#include "core/error.h"

namespace attune {

ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, std::int32_t>> keys) {
  std::sort(keys.begin(), keys.end());
  struct Range {  // the keys below one node, and how many of their bytes lead to it
    std::size_t begin, end, depth;
  };
  std::vector<Range> ranges = {{0, keys.size(), 0}};
  labels_.push_back(0);
  for (std::size_t node = 0; node < ranges.size(); ++node) {
    auto [begin, end, depth] = ranges[node];
    first_child_.push_back(static_cast<Node>(ranges.size()));
    values_.push_back(-1);
    if (begin < end && keys[begin].first.size() == depth) values_.back() = keys[begin++].second;
    while (begin < end) {
      ATTUNE_ASSERT(keys[begin].first.size() > depth);  // equal keys would not be
      const char label = keys[begin].first[depth];
      std::size_t next = begin;
      while (next < end && keys[next].first[depth] == label) ++next;
      labels_.push_back(static_cast<std::uint8_t>(label));
      ranges.push_back({begin, next, depth + 1});
      begin = next;
    }
  }
  first_child_.push_back(static_cast<Node>(ranges.size()));
}

ByteTrie::Node ByteTrie::descend(Node from, std::string_view bytes) const {
  for (std::size_t i = 0; i < bytes.size() && from != kNone; ++i) {
    from = child(from, static_cast<std::uint8_t>(bytes[i]));
  }
  return from;
}

}  // namespace attune
