// The one attention function: it alone knows the backends.
//   CPU         own packed kernel (kernels/attention.h), fp32 and bf16
//   CUDA bf16   FlashAttention-2, variable length
//   CUDA fp32   ATen's memory-efficient attention, variable length; windows by dense_attention
//   CUDA, bias  dense_attention
// On the processor dropout is the counter's, so it is the same for any chunking. CUDA's kernels key
// their own dropout by the place in the call: equal only for equal chunks. It is seeded by seed,
// step and layer; with ForwardOptions::stored_step_key once a step, by who stores that.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "models/forward_options.h"
#include "models/packed_tokens.h"

namespace attune {

struct AttentionSpec {
  static constexpr int kAll = -1;

  int heads = 0, head_dim = 0;
  double dropout = 0;             // of the probabilities; already 0 outside training
  int kv_heads = 0;               // divides heads, neighbours share one; 0: as many as heads
  double scale = 0;               // 0: 1/sqrt(head_dim)
  int left = kAll, right = kAll;  // keys seen before and behind the query's place; right 0: causal
  // Added to the scaled scores, by head and key - query: [heads, 2 * reach + 1] fp32, of -reach to
  // reach, no sequence longer than reach + 1; undefined: none. Gets a gradient. With
  // ForwardOptions::recompute_layers it must be made inside the layer, as a graph runs once.
  at::Tensor bias = {};
};

// qkv [tokens, (heads + 2 * kv_heads) * head_dim] (all Q, all K, all V), fp32 or bf16 -> [tokens,
// heads * head_dim] of the same type; differentiable. Every sequence attends to itself only.
at::Tensor attention(const at::Tensor& qkv, const PackedTokens& tokens, const AttentionSpec& spec,
                     const ForwardOptions& options, int layer);

// For the CUDA kernels' own dropout; on the processor there is nothing to do.
void seed_attention_dropout(const at::Device& device, std::uint64_t key);

// The same by ATen's operators on padded sequences, in memory of sequences * heads * longest^2, on
// any device; its dropout is ATen's.
at::Tensor dense_attention(const at::Tensor& qkv, const PackedTokens& tokens,
                           const AttentionSpec& spec);

}  // namespace attune
