// What every finetuning engine has: options, a result, and the course of a run.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <attune/base_embedding.h>

#include "core/hash.h"
#include "core/json.h"
#include "data/training_sets.h"
#include "models/adapter_config.h"
#include "models/model_config.h"
#include "models/parameter_store.h"
#include "trainer/train_config.h"
#include "trainer/trainer.h"

namespace attune {

struct FinetuneOptions {
  ModelConfig model;
  AdapterConfig adapter;  // with train.mode adapter
  TrainConfig train;
  std::vector<int> evaluate_k = {1, 3, 5, 10};
  std::uint64_t seed = 42;
  std::string device = "auto";
  std::string output;             // run directory: metrics.jsonl, checkpoints/, artifact/
  bool resume = false;            // go on from the newest good checkpoint, start if there is none
  Json lineage = Json::object();  // goes into artifact/attune.json
  bool show_progress = true;
};

struct FinetuneResult {
  bool finished = false;  // false: stopped by stop_requested; a checkpoint was written
  std::int64_t steps = 0, pairs = 0, best_step = 0;  // best_step: whose weights the artifact holds
  double seconds = 0, final_loss = 0,
         best_metric = 0;  // best_metric: ndcg@10 on validation, if any
  std::int64_t skipped_empty = 0, skipped_unanswered = 0;
};

class FinetuneEngine {
 public:
  FinetuneEngine(TrainingSets data, std::optional<EmbeddingQAFinetuneDataset> val_dataset,
                 FinetuneOptions options);
  virtual ~FinetuneEngine() = default;

  // Trains and writes OUTPUT/artifact.
  virtual FinetuneResult finetune(const std::function<bool()>& stop_requested = {}) = 0;

  // The artifact, loaded; only after finetune() has finished.
  std::shared_ptr<const BaseEmbedding> get_finetuned_model() const;
  std::string artifact_path() const { return options_.output + "/artifact"; }

 protected:
  // What is trained, as it would be served.
  struct Subject {
    const BaseEmbedding& embedding;
    ParameterStore& parameters;
    std::string device;        // describe_device()
    Fingerprint base;          // of what it started from, prompts and a guide included
    const TrainingRows& rows;  // whose first query it must be able to embed in the end
  };

  // Of the data sets; warns of those that are left out.
  TrainingRows training_rows() const;
  // The model that the loss asks for, null where it asks for none.
  std::shared_ptr<const BaseEmbedding> load_guide() const;

  // Resumes if asked, takes the steps, with metrics.jsonl, progress, validation and checkpoints,
  // and leaves the best weights in the parameters; `seconds` count from `start`.
  FinetuneResult run(Trainer& trainer, const Subject& subject,
                     std::chrono::steady_clock::time_point start,
                     const std::function<bool()>& stop_requested) const;

  TrainingSets data_;
  std::optional<EmbeddingQAFinetuneDataset> val_dataset_;
  FinetuneOptions options_;

 private:
  Fingerprint configuration_of(const Subject& subject) const;
};

// Error{kData} or Error{kConfig} where the loss does not fit these rows; of several data sets the
// message begins with the name of the one.
void check_loss(const Loss& loss, const TrainingRows& rows, int dimension);

// What decides a guide's vectors; "" for none.
std::string space_of(const std::shared_ptr<const BaseEmbedding>& guide);

// The engine that train.mode asks for.
std::unique_ptr<FinetuneEngine> make_finetune_engine(
    TrainingSets data, std::optional<EmbeddingQAFinetuneDataset> val_dataset,
    FinetuneOptions options);

}  // namespace attune
