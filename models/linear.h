// The one linear function: it alone knows the backends.
//   CPU fp32   MKL on Intel's processors, oneDNN on others (docs/decisions/007)
//   CPU bf16   oneDNN, which uses AVX512-BF16 or AMX where the processor has them
//   CUDA       cuBLAS
// On the processor the gradients of weight and bias are added to the arena in place.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

namespace attune {

struct Linear {
  at::Tensor weight;       // [out, in] fp32
  at::Tensor bias;         // [out] fp32
  at::Tensor packed = {};  // see pack(); else undefined
  at::Tensor scales = {};  // [out] fp32 where `packed` is int8
};

// For serving on the processor: keeps the weight, rounded to `products` (kFloat, kBFloat16, or
// kChar: see models/quantized_linear.h), in the layout that oneDNN's product wants, so that no call
// rounds and reorders it again. Calls without a gradient and of that type (for kChar: of bf16) use
// it; the weight must not change any more.
void pack(Linear& layer, at::ScalarType products);

// y = x W^T + b, differentiable; x [n, in] of any float type, y [n, out] of type `compute`. bf16:
// x, W and b are rounded, sums are fp32; gradients of W and b reach the fp32 parameters.
at::Tensor linear(const at::Tensor& x, const Linear& layer, at::ScalarType compute);

// erf GELU of linear(x): its backward needs no exponential (kernels/gelu.h).
at::Tensor linear_gelu(const at::Tensor& x, const Linear& layer, at::ScalarType compute);

}  // namespace attune
