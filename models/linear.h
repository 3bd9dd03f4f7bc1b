// The one linear function: it alone knows the backends.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

namespace attune {

struct Linear {
  at::Tensor weight;  // [out, in] fp32
  at::Tensor bias;    // [out] fp32
};

// y = x W^T + b, differentiable; x [n, in] of any float type, y [n, out] of type `compute`. On the
// processor through oneDNN's _linear_pointwise in all three directions (forward, dX, dW); on CUDA
// through cuBLAS. bf16: x, W and b are rounded, sums are fp32; gradients of W and b reach the fp32
// parameters.
at::Tensor linear(const at::Tensor& x, const Linear& layer, at::ScalarType compute);

}  // namespace attune
