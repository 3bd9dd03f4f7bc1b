// What becomes of the stretches of a text that match a pattern: `tokenizers`' five
// SplitDelimiterBehaviors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "data/tokenizers/pre_tokenizer.h"

namespace attune {

enum class SplitBehavior : std::uint8_t {
  kRemoved,             // matches are dropped
  kIsolated,            // each match is a piece
  kMergedWithPrevious,  // a match ends the piece before it; of matches side by side only the first
  kMergedWithNext,      // a match begins the piece behind it; of matches side by side the last
  kContiguous,          // matches side by side are one piece
};

// "Removed", "Isolated", ...: the names in tokenizer.json.
SplitBehavior read_split_behavior(const JsonPlace& name);

// Takes the stretches of one text in order and gives the pieces to a sink.
class PieceCutter {
 public:
  PieceCutter(SplitBehavior behavior, std::string_view text, bool at_start, PieceSink& out)
      : behavior_(behavior), text_(text), at_start_(at_start), out_(out) {}
  // Both return false when the sink wants no more. Stretches are not empty and leave no gaps.
  bool take(std::size_t begin, std::size_t end, bool matches);
  bool finish();

 private:
  bool give(std::size_t begin, std::size_t end) {
    return out_.take(text_.substr(begin, end - begin), at_start_ && begin == 0);
  }

  SplitBehavior behavior_;
  std::string_view text_;
  bool at_start_;
  PieceSink& out_;
  bool previous_matches_ = false;
  std::size_t held_begin_ = 0, held_end_ = 0;  // a piece that may still grow; empty: none
};

}  // namespace attune
