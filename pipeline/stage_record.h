// What a run remembers of a stage: OUTPUT/stages/STAGE.json. A stage is current, and not run again,
// as long as its key (a SHA-256 of its settings and inputs) is the same and what it wrote is still
// there, byte for byte.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/hash.h"
#include "core/json.h"

namespace attune {

struct StageRecord {
  std::string stage;  // "generate", "train", "evaluate"
  Fingerprint key;
  bool finished = false;  // false: begun, and interrupted or failed since
  double seconds = 0;
  std::map<std::string, Fingerprint> outputs;  // path below OUTPUT -> SHA-256 of the file
  Json result = Json::object();                // what the stage told, to be told again

  // Adds the file as it is now.
  void add_output(const std::string& run_directory, const std::string& path);
  bool is_current(const std::string& run_directory, const Fingerprint& wanted_key) const;
};

// None where there is no record, or one that is not understood (that is logged: the stage runs
// again).
std::optional<StageRecord> read_stage_record(const std::string& run_directory,
                                             const std::string& stage);
void write_stage_record(const std::string& run_directory, const StageRecord& record);

}  // namespace attune
