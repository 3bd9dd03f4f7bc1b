// Finetunes a whole encoder on question-passage pairs, after LlamaIndex's engine of this name. Its
// defects are not kept: without a validation set nothing is evaluated in training (theirs fails), a
// set smaller than one batch trains (theirs runs at rate 0), and the schedule counts the steps that
// are really taken.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/qa_dataset.h"
#include "models/encoder_embedding.h"
#include "models/model_config.h"
#include "trainer/callback.h"
#include "trainer/train_config.h"

namespace attune {

struct FinetuneOptions {
  ModelConfig model;
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

class SentenceTransformersFinetuneEngine {
 public:
  SentenceTransformersFinetuneEngine(EmbeddingQAFinetuneDataset dataset,
                                     std::optional<EmbeddingQAFinetuneDataset> val_dataset,
                                     FinetuneOptions options);

  // Trains and writes OUTPUT/artifact.
  FinetuneResult finetune(const std::function<bool()>& stop_requested = {});

  // The artifact, loaded; only after finetune() has finished.
  std::shared_ptr<const BaseEmbedding> get_finetuned_model() const;
  std::string artifact_path() const { return options_.output + "/artifact"; }

 private:
  EmbeddingQAFinetuneDataset dataset_;
  std::optional<EmbeddingQAFinetuneDataset> val_dataset_;
  FinetuneOptions options_;
};

}  // namespace attune
