// The stages of a run, in their order: one table, from which runs and explanations are made. A new
// stage is a row.
#pragma once

#include <string>
#include <vector>

#include "core/stop.h"
#include "pipeline/run_config.h"
#include "pipeline/stage_record.h"

namespace attune {

struct Stage {
  std::string name;
  std::string asked_by;                  // what in the configuration asks for it, for people
  std::vector<std::string> inputs_from;  // earlier stages whose outputs it reads
  bool (*is_wanted)(const RunConfig&);
  // What decides its result; reads what those stages wrote.
  StageInputs (*inputs)(const RunConfig&);
  // Does nothing where it is current. Returns what to tell the user at the end of the run.
  std::string (*run)(const RunConfig&, const StopRequested&);
  // Of a stage that leaves more than its record's outputs, an index or an alias: what of it is not
  // as it left it; "": all is.
  std::string (*damage)(const RunConfig&, const StageRecord&) = nullptr;
  // With integrate.if_better `evaluate` decides whether it is wanted.
  bool is_for_better = false;
};

const std::vector<Stage>& stages();

// What `attune run` would do with a stage now.
struct StageForecast {
  std::string stage;
  std::string status;  // "runs", "current" or "absent": not asked for
  std::string reason;
};

// Nothing is run or written. What a stage reads of one that runs first is not known before: it is
// said to run unless that one makes the same once more, or if the model turns out better.
std::vector<StageForecast> explain(const RunConfig& config);

}  // namespace attune
