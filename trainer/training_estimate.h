// What a training will take, found before it begins and without writing anything: `--dry-run`.
//   tokens   counted over at most kCountedSteps steps, spread evenly
//   memory   what is resident once the model, gradients and moments are there, and the measured
//            bytes a token (trainer/chunk_fit.h) of the largest step or its chunks
//   time     a few real steps on batches of at most kTimedTokens tokens, cut into chunks where the
//            real ones will be: (step - optimizer) / tokens; and texts embedded for validation
//   disk     checkpoints as they are kept, one more while it is written, and the model
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/qa_dataset.h"
#include "models/embedding_model.h"
#include "trainer/chunk_fit.h"
#include "trainer/train_config.h"

namespace attune {

struct TrainingEstimate {
  std::int64_t pairs = 0, steps = 0, counted_steps = 0;
  double tokens_per_epoch = 0;
  std::int64_t largest_step = 0;  // tokens
  std::int64_t chunk_tokens = 0;  // of the largest step; 0: it is embedded at once
  double bytes_per_token = 0;
  std::int64_t memory = 0, available_memory = 0;  // bytes at the highest, on the device
  double training_seconds = 0, evaluation_seconds = 0;
  std::int64_t checkpoint_bytes = 0, model_bytes = 0;  // on the disk, at the highest
};

// A data set that is ranked so many times, in training to choose the best step or afterwards.
struct RankedSet {
  const EmbeddingQAFinetuneDataset* dataset;
  double times;
  bool chooses_best;
};

// `prompts` as PairBatches takes them. Takes steps on `model`, which is of no use afterwards.
// Error{kResources} where a step does not fit into the memory.
TrainingEstimate estimate_training(const std::shared_ptr<EmbeddingModel>& model,
                                   const TrainingRows& rows, const TrainConfig& config,
                                   std::uint64_t seed, const std::vector<std::string>& prompts,
                                   const std::shared_ptr<const BaseEmbedding>& guide,
                                   const std::vector<RankedSet>& ranked);

// Seconds to embed the data set once, from a sample of its texts.
double embedding_seconds(const BaseEmbedding& embedding, const EmbeddingQAFinetuneDataset& dataset);

}  // namespace attune
