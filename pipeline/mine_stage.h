// Stage "mine": data sets -> OUTPUT/datasets/negatives*.jsonl, the hard negatives that training
// takes. As `attune data mine` does, with the settings of the section `mine`.
#pragma once

#include <string>
#include <vector>

#include "pipeline/run_config.h"
#include "pipeline/stage_record.h"

namespace attune {

// One file for each training set, in their order.
std::vector<std::string> mined_paths(const RunConfig& config);

// The configuration with the mined files as train.negatives instead of `mine`; as it is without
// that section.
RunConfig with_mined_negatives(RunConfig config);

StageInputs mine_inputs(const RunConfig& config);

// Does nothing where the data sets, settings and model are those of the last time. Error{kData}: a
// data set of which no query finds as many negatives as are asked for.
void mine_stage(const RunConfig& config);

}  // namespace attune
