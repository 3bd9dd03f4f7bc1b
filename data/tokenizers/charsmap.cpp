#include "data/tokenizers/charsmap.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/error.h"
#include "core/file.h"
#include "data/tokenizers/characters.h"
#include "data/tokenizers/graphemes.h"

namespace attune {
namespace {

constexpr std::size_t kLongestCluster = 5;  // bytes, for which a rule is looked for
constexpr int kMaxRulesOnAWay = 32;         // sentencepiece's kMaxTrieResultsSize

[[noreturn]] void damaged(const std::string& place, const std::string& what) {
  throw_error(ErrorKind::kData, place, ": the precompiled charsmap is damaged: ", what,
              "; get this file again from where the model came from");
}

}  // namespace

Charsmap::Charsmap(std::string_view blob, const std::string& place) {
  static_assert(std::endian::native == std::endian::little);
  std::uint32_t trie_size = 0;
  if (blob.size() <= sizeof trie_size) {
    damaged(place, str_cat("found ", blob.size(), " bytes, expected at least 1029"));
  }
  std::memcpy(&trie_size, blob.data(), sizeof trie_size);
  blob.remove_prefix(sizeof trie_size);
  if (trie_size == 0 || trie_size % 1024 != 0 || trie_size >= blob.size()) {
    damaged(place, str_cat("its trie has ", trie_size, " of ", blob.size(),
                           " bytes; expected a multiple of 1024 and results behind it"));
  }
  units_.resize(trie_size / sizeof(Unit));
  std::memcpy(units_.data(), blob.data(), trie_size);
  results_ = blob.substr(trie_size);
  if (results_.back() != '\0') damaged(place, "its last result does not end");
  if (const std::size_t bad = find_invalid_utf8(results_); bad != std::string::npos) {
    damaged(place, str_cat("byte ", bad, " of its results is not UTF-8"));
  }
  check(place);
  for (unsigned c = 0; c < plain_ascii_.size(); ++c) {
    const std::size_t child = offset(units_[0]) ^ c;
    plain_ascii_[c] = c == 0 || label(units_[child]) != c;
  }
}

std::size_t Charsmap::checked_base(std::size_t node, const std::string& place) const {
  const std::size_t base = node ^ offset(units_[node]);
  // A multiple of 256 units: where the base is inside, all its children are.
  if (base >= units_.size()) {
    damaged(place,
            str_cat("unit ", node, " of its trie leads to unit ", base, " of ", units_.size()));
  }
  if (node != 0 && has_leaf(units_[node])) {
    const std::uint32_t at = value(units_[base]);
    if (at >= results_.size() || (static_cast<unsigned char>(results_[at]) & 0xC0) == 0x80) {
      damaged(place, str_cat("a rule's result is at byte ", at, " of ", results_.size()));
    }
  }
  // A zero byte leads to the leaf's unit, which has a label of its own kind, or must lead nowhere.
  if (label(units_[base]) == 0 && (has_leaf(units_[base]) || offset(units_[base]) != 0)) {
    damaged(place, "it has a rule for a zero byte");
  }
  return base;
}

void Charsmap::check(const std::string& place) const {
  struct Step {
    std::size_t node, base;
    unsigned next_child = 1;
    int rules_below = 0;  // at most on one way down from its children
  };
  // Ways may join (darts-clone shares what rules have in common at their ends), but not go round.
  constexpr std::int8_t kNotSeen = -1, kOnTheWay = -2;
  std::vector<std::int8_t> rules_of(units_.size(), kNotSeen);  // on one way down from a unit
  std::vector<Step> way = {{0, checked_base(0, place)}};
  while (!way.empty()) {
    Step& step = way.back();
    rules_of[step.node] = kOnTheWay;
    while (step.next_child < 256 && label(units_[step.base ^ step.next_child]) != step.next_child) {
      ++step.next_child;
    }
    if (step.next_child == 256) {
      const int rules = step.rules_below + (step.node != 0 && has_leaf(units_[step.node]) ? 1 : 0);
      if (rules > kMaxRulesOnAWay) {
        damaged(place, str_cat("more than ", kMaxRulesOnAWay, " rules start with each other"));
      }
      rules_of[step.node] = static_cast<std::int8_t>(rules);
      way.pop_back();
      if (!way.empty()) way.back().rules_below = std::max(way.back().rules_below, rules);
      continue;
    }
    const std::size_t child = step.base ^ step.next_child++;
    if (rules_of[child] == kOnTheWay) {
      damaged(place, str_cat("its trie goes round in a circle at unit ", child));
    }
    if (rules_of[child] == kNotSeen) {
      way.push_back({child, checked_base(child, place)});
    } else {
      step.rules_below = std::max(step.rules_below, static_cast<int>(rules_of[child]));
    }
  }
}

const char* Charsmap::result(std::string_view text) const {
  std::size_t node = offset(units_[0]);
  for (const char byte : text) {
    const auto c = static_cast<unsigned char>(byte);
    if (c == 0) break;
    node ^= c;
    const Unit unit = units_[node];
    if (label(unit) != c) break;
    node ^= offset(unit);
    if (has_leaf(unit)) return results_.data() + value(units_[node]);
  }
  return nullptr;
}

void Charsmap::append(std::string_view text, std::string& out) const {
  out.reserve(out.size() + text.size());
  const auto plain = [&](std::size_t i) {
    const auto c = static_cast<unsigned char>(text[i]);
    return ascii_stands_alone(c) && plain_ascii_[c];
  };
  for (std::size_t at = 0; at < text.size();) {
    // A run of characters that stay as they are; the last one may belong to what follows.
    std::size_t end = at;
    while (end < text.size() && plain(end)) ++end;
    if (end < text.size() && end > at && static_cast<unsigned char>(text[end]) >= 0x80) --end;
    out.append(text, at, end - at);
    at = end;
    if (at == text.size()) break;

    end = end_of_grapheme(text, at);
    const std::string_view cluster = text.substr(at, end - at);
    at = end;
    if (cluster.size() <= kLongestCluster) {
      if (const char* replacement = result(cluster)) {
        out.append(replacement);
        continue;
      }
    }
    for (std::size_t i = 0; i < cluster.size();) {
      const std::size_t begin = i;
      next_character(cluster, i);
      const std::string_view character = cluster.substr(begin, i - begin);
      if (const char* replacement = result(character)) {
        out.append(replacement);
      } else {
        out.append(character);
      }
    }
  }
}

}  // namespace attune
