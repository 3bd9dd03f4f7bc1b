// The whole job: the stages of pipeline/stages.h, documents -> pairs ("generate"), "check", "mine",
// "train", "evaluate", "index", "integrate", "report". Everything it leaves is in the run directory
// (docs/formats.md):
//   config.yaml  datasets/{train,validation,test}.json  data.json  metrics.jsonl  checkpoints/
//   artifact/  evaluation.json  evaluation.queries.jsonl  report.html  index/  integrated/
//   stages/STAGE.json
#pragma once

#include <string>

#include "pipeline/run_config.h"
#include "pipeline/train_stage.h"

namespace attune {

// Makes the data if the configuration says so (unless that is done already), then trains.
TrainOutcome train(const RunConfig& config, Existing existing, const StopRequested& stop = {});

// Every stage that the configuration names, in order. One that is current is not run again; a
// training that was interrupted goes on; anything else that is outdated is done anew. Returns what
// to tell the user at the end: the table of systems with its verdicts, and where the model is.
std::string run(const RunConfig& config, const StopRequested& stop = {});

}  // namespace attune
