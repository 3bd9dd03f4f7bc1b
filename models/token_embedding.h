// The sum of learned embeddings at the bottom of an encoder.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "models/layer_norm.h"
#include "models/packed_tokens.h"

namespace attune {

struct EmbeddingTables {
  at::Tensor word;        // [vocabulary, width] fp32
  at::Tensor position;    // [positions, width] fp32
  at::Tensor token_type;  // [types, width] fp32; every token is of type 0
  // As torch's padding_idx: no gradient reaches this row of `word`, even where a text names it.
  std::int64_t padding_row = -1;
  std::int64_t position_padding_row = -1;  // the same of `position`
};

// word[id] + token_type[0] + position[place], [tokens, width] fp32, differentiable: on the
// processor backward adds the rows it has to the gradients and touches no other row.
at::Tensor embed_tokens(const PackedTokens& tokens, const EmbeddingTables& tables);

// dropout(LayerNorm(of that sum)), differentiable: `rows` says which rows are read, `tokens` where
// they stand in their texts, by which dropout's masks go. One pass over memory on a GPU.
Stream embed_layer_norm(const PackedTokens& rows, const EmbeddingTables& tables,
                        const LayerNorm& norm, const PackedTokens& tokens, const Dropout& dropout,
                        at::ScalarType compute);

}  // namespace attune
