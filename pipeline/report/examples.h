// The queries whose ranking changed most, for reading.
#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/report/verdict.h"

namespace attune {

struct Example {
  std::size_t query = 0;         // of QueryResults
  std::int64_t rank_before = 0;  // of the first relevant passage; 0: not among those ranked
  std::int64_t rank_after = 0;
  double change = 0;  // of the headline metric
};

struct Examples {
  std::vector<Example> best, worst;  // most changed first
};

// At most `count` of each: those whose headline metric rose or fell, by how much; equal ones by how
// far the first relevant passage moved, then in the order of the data set.
Examples choose_examples(const QueryResults& results, const Verdict& verdict, std::size_t count);

}  // namespace attune
