// A trie over byte strings for longest-prefix matching: one pass over the bytes, no hashing and no
// allocation. Nodes are numbered breadth first, so a node's children are neighbours and a step is a
// scan of at most 256 (nearly always one or two) label bytes. Built in time linear in the keys'
// bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attune {

class ByteTrie {
 public:
  using Node = std::uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNone = ~Node{0};
  struct Match {
    std::size_t length = 0;  // 0: none
    std::int32_t value = -1;
  };

  // Values are >= 0. Keys must differ.
  explicit ByteTrie(std::vector<std::pair<std::string_view, std::int32_t>> keys);

  // The node under `from` at the end of `bytes`, or kNone.
  Node descend(Node from, std::string_view bytes) const;
  std::int32_t value(Node node) const { return values_[node]; }  // -1: no key ends here

  // The longest non-empty prefix of text that leads from `from` to a key's end. `from` may be
  // kNone.
  Match longest_prefix(Node from, std::string_view text) const {
    Match match;
    for (std::size_t i = 0; from != kNone && i < text.size();) {
      from = child(from, static_cast<std::uint8_t>(text[i++]));
      if (from != kNone && values_[from] >= 0) match = {i, values_[from]};
    }
    return match;
  }

 private:
  Node child(Node node, std::uint8_t label) const {
    const Node end = first_child_[node + 1];
    for (Node at = first_child_[node]; at < end; ++at) {
      if (labels_[at] == label) return at;
    }
    return kNone;
  }

  std::vector<Node> first_child_;     // [nodes + 1]
  std::vector<std::uint8_t> labels_;  // of the edge into each node
  std::vector<std::int32_t> values_;
};

}  // namespace attune
