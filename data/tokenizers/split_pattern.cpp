#include "data/tokenizers/split_pattern.h"

#include <utility>

#include "core/error.h"
#include "data/tokenizers/pattern_parser.h"

namespace attune {
namespace {

// A published pattern takes about ten a character.
std::size_t most_steps(std::string_view text) { return 1000000 + 200 * text.size(); }

}  // namespace

SplitPattern::SplitPattern(std::string_view pattern, const std::string& place) {
  PatternParser(pattern, place, *this).parse();
}

SplitPattern SplitPattern::literal(std::string text, const std::string& place) {
  if (text.empty()) throw_error(ErrorKind::kData, place, ": found \"\", expected a text to find");
  SplitPattern pattern;
  pattern.literal_ = std::move(text);
  return pattern;
}

PatternMatches::PatternMatches(const SplitPattern& pattern, std::string_view text)
    : pattern_(pattern), text_(text), steps_left_(most_steps(text)) {}

bool PatternMatches::next(Stretch& stretch) {
  if (held_end_ > at_) {
    stretch = {at_, held_end_, true};
    at_ = held_end_;
    return true;
  }
  if (at_ == text_.size()) return false;
  std::size_t begin = at_, end = at_;
  if (!find(begin, end)) {
    stretch = {at_, text_.size(), false};
    at_ = text_.size();
  } else if (begin == at_) {
    stretch = {begin, end, true};
    at_ = end;
  } else {
    stretch = {at_, begin, false};
    at_ = begin;
    held_end_ = end;
  }
  return true;
}

bool PatternMatches::find(std::size_t& begin, std::size_t& end) {
  if (!pattern_.literal_.empty()) {
    begin = text_.find(pattern_.literal_, begin);
    end = begin + pattern_.literal_.size();
    return begin != std::string_view::npos;
  }
  const SplitPattern::Branch& start = pattern_.start_[0];
  while (begin < text_.size()) {
    if (may_start(start, begin)) {
      end = match(start.node, begin);
      if (end != kNowhere) return true;
    }
    next_character(text_, begin);
  }
  return false;
}

void PatternMatches::count_step() {
  if (steps_left_-- == 0) {
    throw_error(ErrorKind::kData, "a text of ", text_.size(),
                " bytes takes the tokenizer's regular expression more than ", most_steps(text_),
                " steps; cut it into passages");
  }
}

std::size_t PatternMatches::match(std::uint32_t index, std::size_t at) {
  count_step();
  while (true) {
    const SplitPattern::Node& node = pattern_.nodes_[index];
    switch (node.kind) {
      case SplitPattern::Kind::kEnd:
        return at;
      case SplitPattern::Kind::kSet:
        if (node.least != node.most) return match_set(node, at);
        if (pattern_.sets_[node.set].run(text_, at, node.most) < node.least) return kNowhere;
        break;
      case SplitPattern::Kind::kEither:
        for (const SplitPattern::Branch& branch : node.branches) {
          if (!may_start(branch, at)) continue;
          const std::size_t end = match(branch.node, at);
          if (end != kNowhere) return end;
        }
        return kNowhere;
      case SplitPattern::Kind::kLook:
        if ((match(node.body, at) == kNowhere) != node.negative) return kNowhere;
        break;
      case SplitPattern::Kind::kAtomic:
        at = match(node.body, at);
        if (at == kNowhere) return kNowhere;
        break;
    }
    index = node.next;
  }
}

std::size_t PatternMatches::match_set(const SplitPattern::Node& node, std::size_t at) {
  const CharacterSet& set = pattern_.sets_[node.set];
  if (node.greed == SplitPattern::Greed::kLazy) {
    if (set.run(text_, at, node.least) < node.least) return kNowhere;
    for (std::uint32_t count = node.least;; ++count) {
      const std::size_t end = match(node.next, at);
      if (end != kNowhere) return end;
      if (count == node.most || set.run(text_, at, 1) == 0) return kNowhere;
    }
  }
  std::uint32_t count = set.run(text_, at, node.most);
  if (count < node.least) return kNowhere;
  if (pattern_.nodes_[node.next].kind == SplitPattern::Kind::kEnd) return at;
  while (true) {
    const std::size_t end = match(node.next, at);
    if (end != kNowhere || node.greed == SplitPattern::Greed::kPossessive || count == node.least) {
      return end;
    }
    at = previous_character(text_, at);
    --count;
  }
}

}  // namespace attune
