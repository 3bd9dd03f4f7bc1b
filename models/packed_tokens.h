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
  // Which tokens read which row of the embedding tables, by ids and by positions: ScatterPlan
  // (kernels/embedding.h), int32. Only where a backward on a device may ask for them.
  at::Tensor id_plan, position_plan;
  // [bytes] uint8: all of the above are views of it, so that one copy moves a batch.
  at::Tensor storage;
  std::int64_t num_tokens = 0, num_sequences = 0, num_queries = 0,
               max_length = 0;  // host values: no synchronisation
  std::int32_t max_id = 0, max_position = 0;
};

// For CUDA through pinned memory, without waiting: the copy is done before what is put into the
// current stream behind it.
PackedTokens to_device(const PackedBatch& batch, const at::Device& device);

// The tokens with other rows of the tables, made on the device: int32 [tokens], all below `rows`.
PackedTokens with_ids(const PackedTokens& tokens, const at::Tensor& ids, std::int64_t rows);
PackedTokens with_positions(const PackedTokens& tokens, const at::Tensor& positions,
                            std::int64_t rows);

// Overwrites `tokens` with another batch of as many tokens and sequences that pools all its tokens
// or not likewise. Its max_length stays: a bound, which the batch must not exceed.
void restage(const PackedBatch& batch, PackedTokens& tokens);

}  // namespace attune
