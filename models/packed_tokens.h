// A PackedBatch as tensors on the device that embeds it.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "data/packed_batch.h"

namespace attune {

struct PackedTokens {
  at::Tensor ids;             // [tokens] int32
  at::Tensor positions;       // [tokens] int32
  at::Tensor cu_seqlens;      // [sequences + 1] int32
  at::Tensor sequence_uid;    // [sequences] int64
  at::Tensor token_uid;       // [tokens] int64: uid of the token's sequence
  at::Tensor token_sequence;  // [tokens] int64: row of the token's sequence
  at::Tensor pooled;          // [tokens] bool: counts in pooling; undefined when every token does
  std::int64_t num_tokens = 0, num_sequences = 0,
               max_length = 0;  // host values: no synchronisation
};

PackedTokens to_device(const PackedBatch& batch, const at::Device& device);

}  // namespace attune
