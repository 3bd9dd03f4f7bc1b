// Batches for an adapter: a "sequence" of a step is one number, the row of an embedded text in
// vectors(), so that the trainer's chunk plans serve here as for token ids.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>
#include <attune/base_embedding.h>

#include "data/qa_dataset.h"
#include "trainer/sampled_steps.h"
#include "trainer/train_config.h"
#include "trainer/training_batch.h"

namespace attune {

class AdapterBatches : public BatchSource {
 public:
  // Embeds the texts of `rows`, queries first. With the corpus loss the batches hold queries alone;
  // the passages of `trained_corpus`, if it is given, then stand behind the queries of every batch.
  // Error{kData} without a row.
  AdapterBatches(const BaseEmbedding& base, TrainingRows rows, const TrainConfig& config,
                 std::uint64_t seed, const EmbeddingQAFinetuneDataset* trained_corpus = nullptr);

  StepPlan at(std::int64_t step) const override;
  std::vector<std::int64_t> rows_of(std::int64_t step) const override {
    return steps_.rows_of(step);
  }
  std::int64_t steps() const override { return steps_.steps(); }

  const TrainingRows& rows() const { return rows_; }
  // [columns * rows, d] fp32, and the corpus behind them where it is trained.
  const at::Tensor& vectors() const { return vectors_; }
  // Rows of vectors() below this are queries.
  std::int64_t num_queries() const { return rows_.num_rows(); }

 private:
  BatchPlan plan_batch(std::int64_t step, const SampledBatch& chosen) const;

  TrainingRows rows_;
  at::Tensor vectors_;
  SampledSteps steps_;
  bool trained_corpus_ = false;
  std::int64_t chunk_;
};

// [texts, d] of a base's vectors. Error{kData} where one is not finite.
at::Tensor embed_texts(const BaseEmbedding& base, Role role,
                       std::span<const std::string_view> texts);
at::Tensor embed_corpus(const BaseEmbedding& base, const EmbeddingQAFinetuneDataset& dataset);

}  // namespace attune
