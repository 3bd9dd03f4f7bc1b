// The page of one run. Its first screen answers: is it better, by how much, is that sure, what is
// in the way, what next. Equal inputs give equal bytes.
#pragma once

#include <string>

#include "pipeline/report/recorded_run.h"

namespace attune {

// `examples`: how many of the most improved and of the most worsened queries are shown with the
// passages found; 0: no text of the test stands in the page. At most 500 KB.
std::string run_page(const RecordedRun& run, int examples);

}  // namespace attune
