// Forward, loss and backward of a batch as recordings (models/batch_graphs.h).
#pragma once

#include <cstdint>
#include <functional>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "models/batch_graphs.h"
#include "trainer/training_batch.h"

namespace attune {

class StepGraphs {
 public:
  // Adds the gradient and returns the loss. May read nothing of the batch but rows, columns and
  // places, nothing of the tokens on the host but the sizes; the last argument is
  // ForwardOptions::stored_step_key.
  using Work =
      std::function<at::Tensor(const PackedTokens&, const TrainingBatch&, const std::uint64_t*)>;

  StepGraphs(const at::Device& device, Work work,
             std::size_t most_graphs = BatchGraphs::kMostGraphs);

  // The loss of a batch that is one chunk, its gradient added; `step_key` is dropout_step_key().
  at::Tensor run(const PackedBatch& chunk, const TrainingBatch& batch, std::uint64_t step_key);

  void clear() { graphs_.clear(); }
  const BatchGraphs::Counts& counts() const { return graphs_.counts(); }

 private:
  at::Device device_;
  at::Tensor step_key_;  // [1] int64, on the device
  BatchGraphs graphs_;
};

}  // namespace attune
