// Small steps on a GPU take longer to launch than to compute. Here forward, loss and backward of a
// batch are recorded once for each shape and replayed for every batch that is padded to it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <tuple>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "data/token_bucket.h"
#include "models/packed_tokens.h"
#include "models/recording.h"
#include "trainer/training_batch.h"

namespace attune {

class StepGraphs {
 public:
  // More tokens keep the GPU busy without it.
  static constexpr std::int64_t kMostTokens = 32768;
  static constexpr std::size_t kMostGraphs = 32;

  // Adds the gradient and returns the loss. May read nothing of the batch but rows, columns and
  // places, nothing of the tokens on the host but the sizes; the last argument is
  // ForwardOptions::stored_step_key.
  using Work =
      std::function<at::Tensor(const PackedTokens&, const TrainingBatch&, const std::uint64_t*)>;

  StepGraphs(const at::Device& device, Work work, std::size_t most_graphs = kMostGraphs);

  // The loss of a batch that is one chunk, its gradient added; `step_key` is
  // dropout_step_key(). The first batch of a shape is padded like the others and done without a
  // recording, from the second on one is replayed; the shape least lately seen is forgotten for a
  // new one. Where work cannot be recorded this is said once, and it is done.
  at::Tensor run(const PackedBatch& chunk, const TrainingBatch& batch, std::uint64_t step_key);

  // Drops every recording with its memory.
  void clear() { shapes_.clear(); }

  struct Counts {
    std::int64_t batches = 0, replayed = 0, recorded = 0;
    std::int64_t tokens = 0, padding = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  using Key = std::tuple<TokenBucket, std::int64_t, int, int>;  // queries, rows, columns
  struct Shape {
    PackedTokens tokens;  // what the recording reads
    TrainingBatch batch;
    at::Tensor loss;                       // where it leaves the loss
    std::unique_ptr<Recording> recording;  // null: seen once
    std::int64_t last_used = 0;            // 0: never seen
  };
  Shape& find(const Key& key);
  bool record_shape(Shape& shape);
  at::Tensor work(const PackedTokens& tokens, const TrainingBatch& batch) const;

  at::Device device_;
  at::Tensor step_key_;  // [1] int64, on the device
  Work work_;
  std::size_t most_graphs_;
  std::map<Key, Shape> shapes_;
  Counts counts_;
  bool cannot_record_ = false;
};

}  // namespace attune
