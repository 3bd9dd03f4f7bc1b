// From one format of data set to another, telling what the other cannot hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attune {

struct ConvertOptions {
  std::string negatives{};     // sidecar of a data set that becomes a table: further columns
  std::string split = "test";  // name of the split of a BEIR folder that is written
  bool may_lose = false;
};

struct Converted {
  std::string format;              // of the output
  std::int64_t rows = 0;           // of a table; queries of a data set
  std::int64_t passages = 0;       // of a data set
  std::vector<std::string> lost;   // what the output does not hold, with `may_lose`
  std::vector<std::string> notes;  // what is held in another form
};

// By names: data/dataset_formats.h; an output without a suffix is a BEIR folder, which must not be
// there yet. Tables are converted to tables row by row, in bounded memory. The output appears whole
// or not at all. Error{kConfig}: a suffix that is not written (.gz among them). Error{kData}: what
// is wrong in the input, or what would be lost.
Converted convert_dataset(const std::string& input, const std::string& output,
                          const ConvertOptions& options);

}  // namespace attune
