// Batches of question-passage rows, tokenized step by step: a step's texts take a thousandth of its
// time, and ids of the whole corpus would take its memory.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/qa_dataset.h"
#include "models/embedding_model.h"
#include "trainer/sampled_steps.h"
#include "trainer/train_config.h"
#include "trainer/training_batch.h"

namespace attune {

class PairBatches : public BatchSource {
 public:
  // `model` outlives the batches. Column 0 gets the query prompt, the others the document prompt.
  // Error{kData} without a row.
  PairBatches(const EmbeddingModel& model, TrainingRows rows, const TrainConfig& config,
              std::uint64_t seed);

  StepPlan at(std::int64_t step) const override;
  std::vector<std::int64_t> queries_of(std::int64_t step) const override {
    return query_rows(rows_, steps_, step);
  }
  const TrainingRows& rows() const { return rows_; }
  std::int64_t steps() const override { return static_cast<std::int64_t>(steps_.size()); }

 private:
  const EmbeddingModel& model_;
  TrainingRows rows_;
  std::vector<SampledStep> steps_;
  std::int64_t chunk_tokens_ = 0;
};

}  // namespace attune
