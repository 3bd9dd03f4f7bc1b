// What every finetuning engine has: options, a result, and the course of a run.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <attune/base_embedding.h>
#include <attune/callback.h>

#include "core/hash.h"
#include "core/json.h"
#include "core/stop.h"
#include "data/training_sets.h"
#include "models/adapter_config.h"
#include "models/model_config.h"
#include "models/parameter_store.h"
#include "trainer/train_config.h"
#include "trainer/trainer.h"
#include "trainer/training_estimate.h"

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
  bool finished =
      false;  // false: stopped by stop_requested or a callback; a checkpoint was written
  bool stopped_early = false;  // finished before the last step: train.patience, or a callback
  std::int64_t steps = 0, pairs = 0, best_step = 0;  // best_step: whose weights the artifact holds
  double seconds = 0, final_loss = 0,
         best_metric = 0;  // best_metric: ndcg@10 on validation, if any
  std::int64_t skipped_empty = 0, skipped_unanswered = 0;
  std::int64_t skipped_steps = 0, rollbacks = 0;  // train.on_nonfinite
  BatchGraphs::Counts graphs;                     // on a GPU
  std::int64_t peak_memory = 0;                   // bytes of tensors on a GPU
};

class FinetuneEngine {
 public:
  FinetuneEngine(TrainingSets data, std::optional<EmbeddingQAFinetuneDataset> val_dataset,
                 FinetuneOptions options);
  virtual ~FinetuneEngine() = default;

  // Of the caller's own, told of everything that finetune() does; outlives it.
  void add(Callback& callback) { callbacks_.push_back(&callback); }

  // Trains and writes OUTPUT/artifact. Error{kInterrupted} where `stop_requested` comes true before
  // there is anything to save.
  virtual FinetuneResult finetune(const StopRequested& stop_requested = {}) = 0;

  // What that will take. Nothing is written, and the engine is of no use afterwards; `test`, if
  // given, is ranked `systems` times at the end.
  virtual TrainingEstimate estimate(const EmbeddingQAFinetuneDataset* test, int systems) = 0;

  // The artifact, loaded; only after finetune() has finished.
  std::shared_ptr<const BaseEmbedding> get_finetuned_model() const;
  std::string artifact_path() const { return options_.output + "/artifact"; }

  // What is trained, as it would be served.
  struct Subject {
    const BaseEmbedding& embedding;
    ParameterStore& parameters;
    std::string device;        // describe_device()
    Fingerprint base;          // of what it started from, prompts and a guide included
    const TrainingRows& rows;  // whose first query it must be able to embed in the end
  };

 protected:
  // For an estimate: the validation set, and `test` after the training.
  std::vector<RankedSet> ranked_sets(const EmbeddingQAFinetuneDataset* test, int systems) const;

  // Of the data sets; warns of those that are left out.
  TrainingRows training_rows() const;
  // The model that the loss asks for, null where it asks for none. Its vectors are kept in the
  // folder `vectors`; "": in memory alone.
  std::shared_ptr<const BaseEmbedding> load_guide(const std::string& vectors) const;

  // Resumes if asked, takes the steps, with metrics.jsonl, progress, validation and checkpoints,
  // and leaves the best weights in the parameters; `seconds` count from `start`.
  FinetuneResult run(Trainer& trainer, const Subject& subject,
                     std::chrono::steady_clock::time_point start,
                     const StopRequested& stop_requested) const;

  // To be called when artifact_path() is written.
  void tell_saved(const FinetuneResult& result) const;

  TrainingSets data_;
  std::optional<EmbeddingQAFinetuneDataset> val_dataset_;
  FinetuneOptions options_;

 private:
  std::vector<Callback*> callbacks_;
  Fingerprint configuration_of(const Subject& subject) const;
};

// What decides a guide's vectors; "" for none.
std::string space_of(const std::shared_ptr<const BaseEmbedding>& guide);

// The engine that train.mode asks for.
std::unique_ptr<FinetuneEngine> make_finetune_engine(
    TrainingSets data, std::optional<EmbeddingQAFinetuneDataset> val_dataset,
    FinetuneOptions options);

}  // namespace attune
