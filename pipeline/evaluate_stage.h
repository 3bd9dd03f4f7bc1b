// Stage "evaluate": base, finetuned model (and its other searches), further candidates and BM25 on
// the test -> OUTPUT/evaluation.json and, of every query, OUTPUT/evaluation.queries.jsonl.
#pragma once

#include <string>

#include "data/qa_dataset.h"
#include "pipeline/run_config.h"
#include "pipeline/stage_record.h"

namespace attune {

// What the stage will measure on; Error{kData} where that is nothing. Asked before training too, so
// that a mistake is not found after hours.
EmbeddingQAFinetuneDataset load_test_set(const RunConfig& config);

StageInputs evaluate_inputs(const RunConfig& config);

// Needs the artifact of the train stage. The base is embedded with the run's prompts and length, as
// the finetuned model is. Returns the table with its verdicts.
std::string evaluate_stage(const RunConfig& config);

}  // namespace attune
