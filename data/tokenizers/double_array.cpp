#include "data/tokenizers/double_array.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace attune {
namespace {

constexpr std::uint32_t kBlock = 256;
constexpr std::uint32_t kMaxUnits = 1 << 24;  // what a base has bits for
constexpr int kMaxTries = 64;                 // free places looked at before a new block is begun

struct Node {
  std::size_t begin, end, depth;  // the keys below it, and how many of their bytes lead to it
  std::uint32_t first_child = 0, num_children = 0;
  std::uint32_t base = 0;
  std::int32_t value = -1;
  std::uint8_t label = 0;  // of the edge into it
};

// Places for the children of nodes: free units in a ring, and which bases are taken.
class Places {
 public:
  explicit Places(const std::string& place) : place_(place) { add_block(); }

  std::uint32_t size() const { return static_cast<std::uint32_t>(next_.size()); }
  bool is_free(std::uint32_t unit) const { return free_[unit]; }
  bool is_base(std::uint32_t base) const { return bases_[base]; }

  // A base under which all the labels' units are free; takes them.
  std::uint32_t take(const std::vector<std::uint8_t>& labels) {
    std::uint32_t at = newest_free_;
    for (int tries = 0; at != kNone && tries < kMaxTries; ++tries, at = next_[at]) {
      if (fits(at ^ labels[0], labels)) return take(at ^ labels[0], labels);
    }
    const std::uint32_t first = size();
    add_block();
    return take(first, labels);
  }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  void add_block() {
    const std::uint32_t first = size();
    if (first + kBlock > kMaxUnits) {
      throw_error(ErrorKind::kData, place_, ": the vocabulary's tokens need more than ", kMaxUnits,
                  " nodes; expected at most about 100 million bytes of tokens");
    }
    next_.resize(first + kBlock, kNone);
    previous_.resize(first + kBlock, kNone);
    free_.resize(first + kBlock, true);
    bases_.resize(first + kBlock, false);
    if (first == 0) bases_[0] = true;  // the base without children
    for (std::uint32_t i = first + kBlock; i-- > first;) {
      next_[i] = newest_free_;
      if (newest_free_ != kNone) previous_[newest_free_] = i;
      newest_free_ = i;
    }
  }
  bool fits(std::uint32_t base, const std::vector<std::uint8_t>& labels) const {
    if (bases_[base]) return false;
    for (const std::uint8_t label : labels) {
      if (!free_[base ^ label]) return false;
    }
    return true;
  }
  std::uint32_t take(std::uint32_t base, const std::vector<std::uint8_t>& labels) {
    bases_[base] = true;
    for (const std::uint8_t label : labels) {
      const std::uint32_t unit = base ^ label;
      free_[unit] = false;
      if (next_[unit] != kNone) previous_[next_[unit]] = previous_[unit];
      (previous_[unit] != kNone ? next_[previous_[unit]] : newest_free_) = next_[unit];
    }
    return base;
  }

  const std::string& place_;
  std::vector<std::uint32_t> next_, previous_;  // of each free unit
  std::uint32_t newest_free_ = kNone;
  std::vector<bool> free_, bases_;
};

std::vector<Node> nodes_of(const std::vector<std::pair<std::string_view, std::int32_t>>& keys,
                           const std::string& place) {
  std::vector<Node> nodes = {{0, keys.size(), 0}};
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    std::size_t begin = nodes[n].begin;
    const std::size_t end = nodes[n].end, depth = nodes[n].depth;
    while (begin < end && keys[begin].first.size() == depth) {
      if (depth > 0) nodes[n].value = keys[begin].second;  // the last of equal keys
      ++begin;
    }
    nodes[n].first_child = static_cast<std::uint32_t>(nodes.size());
    while (begin < end) {
      const char label = keys[begin].first[depth];
      std::size_t next = begin;
      while (next < end && keys[next].first[depth] == label) ++next;
      nodes.push_back({begin, next, depth + 1});
      nodes.back().label = static_cast<std::uint8_t>(label);
      begin = next;
    }
    nodes[n].num_children = static_cast<std::uint32_t>(nodes.size()) - nodes[n].first_child;
    if (nodes.size() > kMaxUnits) {
      throw_error(ErrorKind::kData, place, ": the vocabulary's tokens need more than ", kMaxUnits,
                  " nodes; expected at most about 100 million bytes of tokens");
    }
  }
  return nodes;
}

}  // namespace

DoubleArray::DoubleArray(std::vector<std::pair<std::string_view, std::int32_t>> keys,
                         const std::string& place) {
  std::stable_sort(keys.begin(), keys.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Node> nodes = nodes_of(keys, place);

  // The nodes with most children first: what is left over is filled up by the many with one child.
  std::vector<std::uint32_t> order(nodes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return nodes[a].num_children > nodes[b].num_children;
  });
  Places places(place);
  std::vector<std::uint8_t> labels;
  for (const std::uint32_t n : order) {
    Node& node = nodes[n];
    if (node.num_children == 0) break;
    labels.clear();
    for (std::uint32_t i = 0; i < node.num_children; ++i) {
      labels.push_back(nodes[node.first_child + i].label);
    }
    node.base = places.take(labels);
  }
  root_ = nodes[0].base;
  units_.resize(places.size());
  for (const Node& node : nodes) {
    for (std::uint32_t i = 0; i < node.num_children; ++i) {
      const Node& child = nodes[node.first_child + i];
      units_[node.base ^ child.label] = {child.base << 8 | child.label, child.value};
    }
  }
  // A unit that nobody has gets the label of a base that nobody has, so that no step ends there. A
  // block with a free unit has such a base: each base takes one unit or more.
  for (std::uint32_t unit = 0; unit < places.size(); ++unit) {
    if (!places.is_free(unit)) continue;
    std::uint32_t base = unit & ~(kBlock - 1);
    while (places.is_base(base)) ++base;
    units_[unit] = {(unit ^ base) & 0xFF, -1};
  }
}

std::int32_t DoubleArray::find(std::string_view key) const {
  Walk walk(*this);
  for (const char byte : key) {
    if (!walk.step(byte)) return -1;
  }
  return walk.value();
}

}  // namespace attune
