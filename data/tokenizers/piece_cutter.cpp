#include "data/tokenizers/piece_cutter.h"

#include "data/tokenizers/json_place.h"

namespace attune {

SplitBehavior read_split_behavior(const JsonPlace& name) {
  const std::string& text = name.text();
  if (text == "Removed") return SplitBehavior::kRemoved;
  if (text == "Isolated") return SplitBehavior::kIsolated;
  if (text == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (text == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (text == "Contiguous") return SplitBehavior::kContiguous;
  name.refuse("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

bool PieceCutter::take(std::size_t begin, std::size_t end, bool matches) {
  bool grows = false;  // the piece that is held
  switch (behavior_) {
    case SplitBehavior::kRemoved:
      return matches || give(begin, end);
    case SplitBehavior::kIsolated:
      return give(begin, end);
    case SplitBehavior::kMergedWithPrevious:
      grows = matches && !previous_matches_;
      break;
    case SplitBehavior::kMergedWithNext:
      grows = !matches && previous_matches_;
      break;
    case SplitBehavior::kContiguous:
      grows = matches == previous_matches_;
      break;
  }
  previous_matches_ = matches;
  if (grows && held_end_ > held_begin_) {
    held_end_ = end;
    return true;
  }
  const bool more = finish();
  held_begin_ = begin;
  held_end_ = end;
  return more;
}

bool PieceCutter::finish() {
  const std::size_t begin = held_begin_, end = held_end_;
  held_begin_ = held_end_;
  return begin == end || give(begin, end);
}

}  // namespace attune
