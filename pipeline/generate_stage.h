// Stage "generate": documents -> OUTPUT/datasets/{train,validation,test}.json, with what is behind
// them in passages.jsonl and questions.jsonl (docs/formats.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"
#include "pipeline/run_config.h"
#include "pipeline/stage_record.h"
#include "pipeline/train_stage.h"

namespace attune {

// The data sets that a run uses: those that `data` names, else the generated ones; empty: none.
struct DataPaths {
  std::vector<std::string> train;
  std::string validation, test;
};
DataPaths data_paths(const RunConfig& config);

struct GenerateOutcome {
  std::string dataset;  // for training
  std::int64_t queries = 0, passages = 0;
};

StageInputs generate_inputs(const RunConfig& config);

// Does nothing where the documents and settings are those of the last time. Being stopped is
// Error{kInterrupted}; a language model's answers are kept, and asked for no more.
GenerateOutcome generate_stage(const RunConfig& config, const StopRequested& stop = {});

struct GenerateDryRun {
  Json json;         // {"status": "dry_run", "documents": ..., "passages": ..., ...}
  std::string text;  // for people, ends with a newline
};

// What the stage would do. Asks nobody and writes nothing.
GenerateDryRun generate_dry_run(const RunConfig& config);

// The data sets as the stage would write them, without writing. Error{kConfig} where a language
// model would have to be asked and the stage has not been run.
QuestionDatasets generate_without_writing(const RunConfig& config);

}  // namespace attune
