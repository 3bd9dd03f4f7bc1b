// Batches of a few shapes instead of as many as there are batches: what is recorded once for a
// shape (a CUDA graph) serves every batch that is padded to it.
#pragma once

#include <compare>
#include <cstdint>

#include "data/packed_batch.h"

namespace attune {

struct TokenBucket {
  std::int64_t tokens = 0, sequences = 0;
  std::int32_t max_length = 0;    // of a sequence, at most
  bool pools_every_token = true;  // no prompt is left out of pooling

  auto operator<=>(const TokenBucket&) const = default;
};

// The smallest bucket that holds the batch. Tokens and sequences go up in steps of an eighth to a
// sixteenth, lengths by doubling: the first cost time for each token, the last only bounds a loop.
// A batch of single tokens (an adapter's vectors) is its own bucket: such batches have few shapes.
TokenBucket bucket_of(const PackedBatch& batch);

// The batch with dummy sequences behind its own, until it has the bucket's tokens and sequences;
// none where it has them already.
// They hold token 0, are never empty (a varlen backward leaves rows outside every sequence
// unwritten) and never longer than max_length; whoever reads vectors reads the first
// batch.num_sequences() alone.
PackedBatch pad_to(const PackedBatch& batch, const TokenBucket& bucket);

}  // namespace attune
