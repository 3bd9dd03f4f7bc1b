// From token vectors to one vector a sequence, packed, optionally of length 1:
//
//   mean           v = sum of pooled x / max(count, 1e-9)
//   mean_sqrt_len  v = sum of pooled x / sqrt(max(count, 1e-9))
//   cls, last      v = x of the sequence's first or last token, pooled or not
//   max            v = largest pooled x by column
//   normalize      v <- v / max(|v|, 1e-12)
//
// as sentence-transformers' Pooling and Normalize. A sequence without tokens (padding of a fixed
// number of sequences) or without pooled ones has a zero vector and gives no gradient.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"

namespace attune {

enum class PoolingKind : std::uint8_t { kCls, kLast, kMax, kMean, kMeanSqrtLen };

struct PackedPooling {
  PoolingKind kind = PoolingKind::kMean;
  bool normalize = false;
  std::int64_t sequences = 0;
  // Rows of x, at least cu_seqlens[sequences]; those beyond belong to no sequence.
  std::int64_t tokens = 0;
  std::int64_t width = 0;
  std::int64_t out_stride = 0;  // from a sequence's vector to the next one's, at least width
  const std::int32_t* cu_seqlens = nullptr;  // [sequences + 1], the first 0, never decreasing
  const std::uint8_t* pooled = nullptr;      // [tokens], 0: does not count; null: all do
};

// x [tokens, width], float or BFloat16; out [sequences, width] fp32.
//   inverse_norm [sequences]         1 / max(|v|, 1e-12); null: not kept; read by backward where
//                                    `normalize` is set
//   largest      [sequences, width]  the token whose value it is, the first of equal ones, -1:
//                                    none; needed with kMax, else may be null
// `stream` is a cudaStream_t. Returns a cudaError_t.
template <class T>
int pool_forward_cuda(const PackedPooling& pooling, const T* x, float* out, float* inverse_norm,
                      std::int32_t* largest, void* stream);
// grad_out [sequences, width] with out_stride, as out; out and what was kept as forward wrote them
// (out is read only where `normalize` is set). grad_x [tokens, width] is written in full: zero
// where no gradient goes. Where |v| < 1e-12 the division is by a constant, as ATen's clamp has it.
template <class T>
int pool_backward_cuda(const PackedPooling& pooling, const float* grad_out, const float* out,
                       const float* inverse_norm, const std::int32_t* largest, T* grad_x,
                       void* stream);

// The same on the CPU.
template <class T>
void pool_forward_cpu(const PackedPooling& pooling, const T* x, float* out, float* inverse_norm,
                      std::int32_t* largest);
template <class T>
void pool_backward_cpu(const PackedPooling& pooling, const float* grad_out, const float* out,
                       const float* inverse_norm, const std::int32_t* largest, T* grad_x);

}  // namespace attune
