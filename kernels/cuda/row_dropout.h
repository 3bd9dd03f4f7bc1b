// Counter dropout of a row, inside a kernel.
#pragma once

#include <cstdint>

#include "kernels/counter_dropout.h"

namespace attune::ATTUNE_CUDA_NAMESPACE {

struct RowDropout {
  std::uint32_t key = 0, threshold;
  float scale;

  __device__ __forceinline__ RowDropout(const Dropout& dropout, const std::int64_t* token_uid,
                                        const std::int32_t* positions, std::int64_t row)
      : threshold(dropout.threshold), scale(dropout.scale) {
    if (threshold != 0)
      key = dropout_row_key(dropout.call_key(), token_uid[row],
                            static_cast<std::uint64_t>(positions[row]));
  }
  // x[i] is at column + i.
  template <int kCount>
  __device__ __forceinline__ void apply(std::uint32_t column, float (&x)[kCount]) const {
    if (threshold == 0) return;
#pragma unroll
    for (int i = 0; i < kCount; ++i)
      x[i] = hash32(key + column + static_cast<std::uint32_t>(i)) >= threshold ? x[i] * scale : 0.f;
  }
};

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
