// Batches with a guide model's vectors of their texts (GIST). The guide is frozen: each text is
// embedded once.
#pragma once

#include <memory>

#include <attune/base_embedding.h>

#include "trainer/training_batch.h"

namespace attune {

class GuidedBatches : public BatchSource {
 public:
  // `source` makes batches of `rows`; both outlive this. No guide: the batches as they are.
  GuidedBatches(const BatchSource& source, const TrainingRows& rows,
                std::shared_ptr<const BaseEmbedding> guide)
      : source_(source), rows_(rows), guide_(std::move(guide)) {}

  StepPlan at(std::int64_t step) const override;
  std::int64_t steps() const override { return source_.steps(); }
  std::vector<std::int64_t> rows_of(std::int64_t step) const override {
    return source_.rows_of(step);
  }

 private:
  void embed(TrainingBatch& batch) const;

  const BatchSource& source_;
  const TrainingRows& rows_;
  std::shared_ptr<const BaseEmbedding> guide_;
};

}  // namespace attune
