// Reports as files: read the runs, make the page, write it.
#pragma once

#include <string>
#include <vector>

namespace attune {

// One run's page, or of several the comparison. Error{kConfig}: none, or more than kMostRuns, or
// one directory twice. Error{kData} as read_run().
std::string make_report(const std::vector<std::string>& run_directories, int examples);

// Through the durable layer.
void write_report(const std::string& page, const std::string& path);

}  // namespace attune
