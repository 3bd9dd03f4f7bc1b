// Stage "train": data sets and a base model -> OUTPUT/artifact, OUTPUT/metrics.jsonl.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/json.h"
#include "core/stop.h"
#include "pipeline/run_config.h"
#include "pipeline/stage_record.h"
#include "trainer/finetune_engine.h"

namespace attune {

// What becomes of a training that the output holds already.
enum class Existing : std::uint8_t {
  kRefuse,     // Error{kConfig} that says both ways out
  kResume,     // goes on from the newest checkpoint; other settings than before are refused
  kOverwrite,  // starts anew; the artifact that is there stays until the new one replaces it
  kUpdate,     // as kResume for equal settings, as kOverwrite for others
};

struct TrainOutcome {
  std::string run, artifact;
  Json metrics;  // final_loss, steps, seconds, pairs_per_second, and what validation gave
};

// What the configuration says to the engine, but for lineage and resume.
FinetuneOptions finetune_options(const RunConfig& config);

// A validation set; none for an empty path or one without a query.
std::optional<EmbeddingQAFinetuneDataset> load_validation(const std::string& path);

// To be asked before anything is written: throws what kRefuse and kResume say of this output.
void check_existing_training(const RunConfig& config, Existing existing);

StageInputs train_inputs(const RunConfig& config);

// A training that is finished with these settings and data is not run again, but for kOverwrite.
// Being stopped is Error{kInterrupted}.
TrainOutcome train_stage(const RunConfig& config, Existing existing, const StopRequested& stop);

// SHA-256 over the files of a model that decide its vectors (weights, configurations,
// vocabularies).
Fingerprint fingerprint_model_files(const std::string& directory);

}  // namespace attune
