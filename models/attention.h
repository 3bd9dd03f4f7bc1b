// The one attention function: it alone knows the backends.
//   CPU         own packed kernel (kernels/attention.h), fp32 and bf16
//   CUDA fp32   ATen's memory-efficient attention, variable length
//   CUDA bf16   FlashAttention-2, variable length
// On the processor dropout is the counter's, so it is the same for any chunking. CUDA's kernels key
// their own dropout by the place in the call: equal only for equal chunks (seeded by seed, step,
// layer).
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "models/forward_options.h"
#include "models/packed_tokens.h"

namespace attune {

struct AttentionSpec {
  int heads = 0, head_dim = 0;
  double dropout = 0;  // of the probabilities; already 0 outside training
};

// qkv [tokens, 3 * heads * head_dim] (all Q, all K, all V), fp32 or bf16 -> [tokens, heads *
// head_dim] of the same type; differentiable. Every sequence attends to itself only, scale
// 1/sqrt(head_dim).
at::Tensor attention(const at::Tensor& qkv, const PackedTokens& tokens, const AttentionSpec& spec,
                     const ForwardOptions& options, int layer);

}  // namespace attune
