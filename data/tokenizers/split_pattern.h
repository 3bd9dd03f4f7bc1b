// The regular expressions of tokenizer.json, matched as the peer's engine (Oniguruma) matches them:
// leftmost, backtracking, first alternative first. A part of the language: that of the published
// tokenizers, where the meaning is beyond doubt:
//   characters, .  [...] with ranges, negation, nesting and &&, \s \d \w \p{...} and their
//   opposites ( ) (?: ) (?i: ) (?= ) (?! ) (?> )  |  ? * + {n} {n,} {n,m}, lazy with ?, possessive
//   with + (but not behind { }); a group may be repeated only as often as a number says
// Anything else is refused by name, and so is a pattern that may match nothing.
//
// Why not a library: the peer's engine knows Unicode 16, the system's libraries other versions, and
// a translation between two languages needs this parser anyway. The tables are the peer's own.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizers/character_set.h"

namespace attune {

class SplitPattern {  // immutable and thread-safe
 public:
  // `place` is where the pattern stands, for messages. Error{kData} as said above.
  SplitPattern(std::string_view pattern, const std::string& place);
  // A text to be found as it stands.
  static SplitPattern literal(std::string text, const std::string& place);

 private:
  friend class PatternParser;
  friend class PatternMatches;
  SplitPattern() = default;

  enum class Kind : std::uint8_t { kEnd, kSet, kEither, kLook, kAtomic };
  enum class Greed : std::uint8_t { kGreedy, kLazy, kPossessive };
  struct Branch {
    std::uint32_t node;
    std::array<bool, 256> starts;  // bytes that a match of it may start with
    bool may_be_empty;
  };
  struct Node {  // a step of a match; they make no circles
    Kind kind = Kind::kEnd;
    Greed greed = Greed::kGreedy;
    bool negative = false;              // kLook: what must not follow
    std::uint32_t set = 0;              // kSet: of sets_
    std::uint32_t least = 1, most = 1;  // kSet: how often
    std::uint32_t body = 0;             // kLook, kAtomic: its first node
    std::uint32_t next = 0;             // all but kEither
    std::vector<Branch> branches;       // kEither, in their order
  };
  std::vector<Node> nodes_;
  std::vector<CharacterSet> sets_;
  std::vector<Branch> start_;  // [1], or empty for a literal
  std::string literal_;
};

// The text in stretches that match and stretches between them, in order.
class PatternMatches {
 public:
  // Both must outlive it.
  PatternMatches(const SplitPattern& pattern, std::string_view text);
  struct Stretch {
    std::size_t begin, end;  // not empty
    bool matches;
  };
  // A text that takes far more steps than it has characters is an Error{kData}.
  bool next(Stretch& stretch);

 private:
  static constexpr std::size_t kNowhere = ~std::size_t{0};
  bool find(std::size_t& begin, std::size_t& end);
  // Where a match from `at` on, beginning with that node, ends; or kNowhere.
  std::size_t match(std::uint32_t node, std::size_t at);
  std::size_t match_set(const SplitPattern::Node& node, std::size_t at);
  bool may_start(const SplitPattern::Branch& branch, std::size_t at) const {
    return at < text_.size() ? branch.starts[static_cast<unsigned char>(text_[at])]
                             : branch.may_be_empty;
  }
  void count_step();

  const SplitPattern& pattern_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t held_end_ = 0;  // a match [at_, held_end_) whose turn is next
  std::size_t steps_left_;
};

}  // namespace attune
