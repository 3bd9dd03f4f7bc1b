// Stage "evaluate": base, finetuned model and BM25 on the test -> OUTPUT/evaluation.json.
#pragma once

#include <string>

#include "pipeline/run_config.h"

namespace attune {

// Needs the artifact of the train stage. The base is embedded with the run's prompts and length, as
// the finetuned model is. Returns the table with its verdicts.
std::string evaluate_stage(const RunConfig& config);

}  // namespace attune
