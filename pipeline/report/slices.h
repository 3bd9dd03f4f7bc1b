// The same comparison for parts of the test: by length of the query, by document, by generator.
#pragma once

#include <string>
#include <vector>

#include "pipeline/report/recorded_run.h"
#include "pipeline/report/verdict.h"

namespace attune {

struct Slice {
  std::string name;
  std::int64_t queries = 0;
  MetricChange change;  // of the headline metric
};

struct SliceGroup {
  std::string title;
  std::vector<Slice> slices;
};

// Groups with fewer than two parts are left out, and so are all where the texts are gone. Of
// documents the eight with the most questions, the others together.
std::vector<SliceGroup> make_slices(const RecordedRun& run, const Verdict& verdict);

}  // namespace attune
