// Small batches on a GPU take longer to launch than to compute. Here the work on a batch is
// recorded once for each shape and replayed for every batch that is padded to it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "data/token_bucket.h"
#include "models/packed_tokens.h"
#include "models/recording.h"

namespace attune {

class BatchGraphs {
 public:
  // More tokens keep the GPU busy without it.
  static constexpr std::int64_t kMostTokens = 32768;
  static constexpr std::size_t kMostGraphs = 32;

  // Of the tokens it may read nothing on the host but the sizes; `beside` is run()'s, or undefined.
  using Work = std::function<at::Tensor(const PackedTokens& tokens, const at::Tensor& beside)>;

  BatchGraphs(const at::Device& device, Work work, std::size_t most_graphs = kMostGraphs);

  // What the work gives for the batch, padded: rows of sequences beyond the batch's are dummies'.
  // It holds until the next call. `beside`: a tensor on the device that the work reads, too.
  // The first batch of a shape is padded like the others and done without a recording, from the
  // second on one is replayed; the shape least lately seen is forgotten for a new one. Where work
  // cannot be recorded this is said once, and it is done. Not thread-safe.
  at::Tensor run(const PackedBatch& batch, const at::Tensor& beside = {});

  // Drops every recording with its memory.
  void clear() { shapes_.clear(); }

  struct Counts {
    std::int64_t batches = 0, replayed = 0, recorded = 0;
    std::int64_t tokens = 0, padding = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  using Key = std::tuple<TokenBucket, std::int64_t, std::vector<std::int64_t>>;  // queries, beside
  struct Shape {
    PackedTokens tokens;  // what the recording reads
    at::Tensor beside;
    at::Tensor result;                     // where it leaves what the work gives
    std::unique_ptr<Recording> recording;  // null: seen once
    std::int64_t last_used = 0;            // 0: never seen
  };
  Shape& find(const Key& key);
  bool record_shape(Shape& shape);

  at::Device device_;
  Work work_;
  std::size_t most_graphs_;
  std::map<Key, Shape> shapes_;
  Counts counts_;
  bool cannot_record_ = false;
};

}  // namespace attune
