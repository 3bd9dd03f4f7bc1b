#include "pipeline/report/report.h"

#include <filesystem>
#include <set>

#include "core/durable.h"
#include "core/error.h"
#include "pipeline/report/comparison_page.h"
#include "pipeline/report/run_page.h"

namespace attune {

std::string make_report(const std::vector<std::string>& run_directories, int examples) {
  std::set<std::filesystem::path> distinct;
  std::error_code ignored;
  for (const std::string& directory : run_directories)
    distinct.insert(std::filesystem::weakly_canonical(directory, ignored));
  if (distinct.size() != run_directories.size())
    throw_error(ErrorKind::kConfig,
                "a report compares different runs: one directory is given twice");
  if (run_directories.empty() || run_directories.size() > kMostRuns)
    throw_error(ErrorKind::kConfig, "a report takes 1 to ", kMostRuns, " runs, given are ",
                run_directories.size());
  std::vector<RecordedRun> runs;
  const bool is_one = run_directories.size() == 1;
  for (const std::string& directory : run_directories) runs.push_back(read_run(directory, is_one));
  return is_one ? run_page(runs[0], examples) : comparison_page(runs);
}

void write_report(const std::string& page, const std::string& path) {
  write_file_durably(path, page);
}

}  // namespace attune
