// Stage "generate": documents -> OUTPUT/datasets/{train,validation,test}.json.
#pragma once

#include <string>
#include <vector>

#include "pipeline/run_config.h"

namespace attune {

// The data sets that a run uses: those that `data` names, else the generated ones; empty: none.
struct DataPaths {
  std::vector<std::string> train;
  std::string validation, test;
};
DataPaths data_paths(const RunConfig& config);

// Does nothing where the documents and settings are those of the last time.
void generate_stage(const RunConfig& config);

}  // namespace attune
