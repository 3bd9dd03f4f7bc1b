// RMSNorm (kernels/rms_norm.h gives the formula), differentiable: an own kernel on the processor,
// ATen's operators on CUDA.
#pragma once

#include <ATen/core/Tensor.h>

namespace attune {

struct RmsNormWeight {
  at::Tensor weight;  // [width] fp32
  double epsilon = 0;
  double offset = 0;  // added to the weight: 1 in Gemma's
};

// x [n, width] fp32 or bf16, y of the same shape and type.
at::Tensor rms_norm(const at::Tensor& x, const RmsNormWeight& norm);

// Of queries, keys and values, each query head and each key head by itself (Qwen3, Gemma 3): qkv
// [tokens, (heads + 2 * kv_heads) * width], weights [width]. Values stay as they are.
at::Tensor norm_query_and_key(const at::Tensor& qkv, const RmsNormWeight& query,
                              const RmsNormWeight& key, int heads, int kv_heads);

}  // namespace attune
