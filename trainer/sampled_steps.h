// Which rows each step of a run takes: a pure function of the rows, the settings and the seed.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "data/qa_dataset.h"
#include "trainer/train_config.h"
#include "trainer/training_batch.h"

namespace attune {

struct SampledBatch {
  int epoch = 0;
  std::vector<std::int64_t> rows;  // of one data set
  double epochs_done = 0;          // after this batch, 1.5 = one and a half
  bool ends_epoch = false;
};

// Steps of one batch, or of train.accumulate consecutive ones. A step never reaches into the next
// epoch, so the last of an epoch may have fewer (as transformers' Trainer).
class SampledSteps {
 public:
  // All epochs, or train.max_steps of them. `tokens` [rows], with train.batch_tokens. Error{kData}
  // without a row, or where labels do not suffice for train.sampler group_by_label; Error{kConfig}
  // where a row alone has more than train.batch_tokens.
  SampledSteps(const TrainingRows& rows, const TrainConfig& config, std::uint64_t seed,
               std::span<const std::int64_t> tokens = {});

  std::int64_t steps() const { return std::ssize(first_) - 1; }
  std::span<const SampledBatch> of(std::int64_t step) const {
    return std::span(batches_).subspan(first_[step], first_[step + 1] - first_[step]);
  }
  std::span<const SampledBatch> batches() const { return batches_; }
  // What a source gives for a step, from what it makes of each batch.
  StepPlan plan(std::int64_t step,
                const std::function<BatchPlan(const SampledBatch&)>& plan_batch) const;
  std::vector<std::int64_t> rows_of(std::int64_t step) const;  // of all its batches
  // Whether any batch holds two rows, so that there is something to tell a row apart from.
  bool has_pairs() const;

 private:
  std::vector<SampledBatch> batches_;
  std::vector<std::int64_t> first_ = {0};  // [steps + 1] batches before each step
};

}  // namespace attune
