// `attune bench compare A B`: whether B is slower than A.
#pragma once

#include "apps/arguments.h"

namespace attune {

// Reads two reports of benchmarks/ (docs/formats.md, "benchmark reports") and prints a table.
// Error{kFailed} if something got slower beyond the limit and the noise; Error{kData} for files
// that are no such reports or have no measurement in common.
void bench_command(const Arguments& arguments);

}  // namespace attune
