// What a run remembers of a stage: OUTPUT/stages/STAGE.json. A stage is current, and not run again,
// as long as its inputs are the same and what it wrote is still there, byte for byte.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "core/hash.h"
#include "core/json.h"

namespace attune {

// All that decides what a stage makes. Where things are does not matter, only what they hold.
struct StageInputs {
  std::map<std::string, std::string> settings;  // "train.epochs" -> "2"
  std::map<std::string, Fingerprint> files;     // "data.train", "document a.html" -> their contents

  Fingerprint key() const;
  // The first three changes, for people: "train.epochs 2 -> 3, data.train changed, document a.html
  // is new and 2 more".
  std::string changes_since(const StageInputs& before) const;
};

struct StageRecord {
  // Its time counts from here: made before the inputs are read and hashed.
  explicit StageRecord(std::string stage_name = "") : stage(std::move(stage_name)) {}

  std::string stage;  // "generate", "check", "mine", "train", "evaluate"
  StageInputs inputs;
  bool finished = false;  // false: begun, and interrupted or failed since
  double seconds = 0;
  std::map<std::string, Fingerprint> outputs;  // path below OUTPUT -> SHA-256 of the file
  Json result = Json::object();                // what the stage told, to be told again

  // Adds the file as it is now.
  void add_output(const std::string& run_directory, const std::string& path);
  bool has_inputs(const StageInputs& wanted) const { return inputs.key() == wanted.key(); }
  // The first output that is not what the stage wrote; "" if there is none.
  std::string damaged_output(const std::string& run_directory) const;
  bool is_current(const std::string& run_directory, const StageInputs& wanted) const;
  // Writes it as that of a stage that is done, with the seconds it took.
  void finish(const std::string& run_directory);

 private:
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

// None where there is no record, or one that is not understood (that is logged: the stage runs
// again).
std::optional<StageRecord> read_stage_record(const std::string& run_directory,
                                             const std::string& stage);
// The record of a stage that need not run; why it must run again is logged.
std::optional<StageRecord> current_stage_record(const std::string& run_directory,
                                                const std::string& stage,
                                                const StageInputs& wanted);
void write_stage_record(const std::string& run_directory, const StageRecord& record);

}  // namespace attune
