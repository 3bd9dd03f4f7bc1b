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
  // places, nothing of the tokens on the host but the sizes.
  using Work = std::function<at::Tensor(const PackedTokens&, const TrainingBatch&)>;

  StepGraphs(const at::Device& device, Work work, std::size_t most_graphs = kMostGraphs)
      : device_(device), work_(std::move(work)), most_graphs_(most_graphs) {}

  // The loss of a batch that is one chunk, its gradient added. The first batch of a shape is done
  // without a recording, from the second on one is replayed; the shape least lately seen is
  // forgotten for a new one. Where work cannot be recorded this is said once, and it is done.
  at::Tensor run(const PackedBatch& chunk, const TrainingBatch& batch);

  // Drops every recording with its memory.
  void clear() { shapes_.clear(); }

  struct Counts {
    std::int64_t batches = 0, replayed = 0, recorded = 0;
    std::int64_t tokens = 0, padding = 0;  // of all; padding only where they are replayed
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
  bool record_shape(Shape& shape, const PackedBatch& padded, std::int64_t max_length,
                    const TrainingBatch& batch);

  at::Device device_;
  Work work_;
  std::size_t most_graphs_;
  std::map<Key, Shape> shapes_;
  Counts counts_;
  bool cannot_record_ = false;
};

}  // namespace attune
