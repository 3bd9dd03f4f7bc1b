// Stage "index": the passages of the run in an index of the finetuned model (docs/formats.md).
#pragma once

#include <string>

#include "pipeline/run_config.h"
#include "pipeline/stage_record.h"
#include "pipeline/train_stage.h"

namespace attune {

StageInputs index_inputs(const RunConfig& config);

// Why the index is not what the stage left; "": it is.
std::string index_damage(const RunConfig& config, const StageRecord& record);

// Needs the artifact of the train stage. What is in the index already and has not changed is not
// embedded again; behind a query-only adapter, whose documents are its base's, an index of the base
// stays as it is. Returns one sentence for the user.
std::string index_stage(const RunConfig& config, const StopRequested& stop = {});

}  // namespace attune
