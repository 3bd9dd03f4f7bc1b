// Batches of question-passage rows, tokenized step by step: a step's texts take a thousandth of its
// time, and ids of the whole corpus would take its memory (column_tokens.h keeps them on disk).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/qa_dataset.h"
#include "models/embedding_model.h"
#include "trainer/column_tokens.h"
#include "trainer/sampled_steps.h"
#include "trainer/train_config.h"
#include "trainer/training_batch.h"

namespace attune {

class PairBatches : public BatchSource {
 public:
  // `model` outlives the batches. Column 0 gets the model's query prompt, the others its document
  // prompt, unless `prompts` says it for each column. Of several data sets the widest has as many
  // columns as there are prompts. Errors: SampledSteps; Error{kConfig} for another number of
  // prompts.
  PairBatches(const EmbeddingModel& model, TrainingRows rows, const TrainConfig& config,
              std::uint64_t seed, std::vector<std::string> prompts = {});

  PairBatches(const PairBatches&) = delete;  // its tokens look into its rows

  StepPlan at(std::int64_t step) const override;
  std::vector<std::int64_t> rows_of(std::int64_t step) const override {
    return steps_.rows_of(step);
  }
  const TrainingRows& rows() const { return rows_; }
  std::int64_t steps() const override { return steps_.steps(); }
  const SampledSteps& sampled() const { return steps_; }

 private:
  BatchPlan plan_batch(std::int64_t step, const SampledBatch& chosen) const;

  const EmbeddingModel& model_;
  TrainingRows rows_;
  std::vector<std::string> prompts_;  // [columns]
  ColumnTokens tokens_;
  SampledSteps steps_;
  std::int64_t chunk_tokens_ = 0;
};

}  // namespace attune
