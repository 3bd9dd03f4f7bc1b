// erf GELU (Hendrycks & Gimpel 2016) and its derivative:
//
//   y = x Phi(x),   y' = Phi(x) + x phi(x),   Phi(x) = (1 + erf(x / sqrt(2))) / 2
//
// with phi the normal density. Keeping y' instead of x makes backward one product.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/column_sums.h"

namespace attune {

// Elements [begin, end); T is float or BFloat16. y may be x; derivative may be x, null: not
// wanted.
template <class T>
void gelu_cpu(const T* x, T* y, T* derivative, std::int64_t begin, std::int64_t end);

// The GELU of x + bias on device pointers: y = gelu(x + bias), derivative = gelu'(x + bias), x
// [rows, columns] the product without bias, bias [columns] or null. y or derivative may be x;
// derivative null: not wanted. In fp32 the error function is exact to rounding; in bf16 it is off
// by at most 1.5e-7 (Abramowitz & Stegun 1964, 7.1.26, which shares its exponential with the
// density), far below a unit in the last place. `stream` is a cudaStream_t. Returns a cudaError_t.
template <class T>
int bias_gelu_forward_cuda(const T* x, const float* bias, T* y, T* derivative, std::int64_t rows,
                           std::int64_t columns, void* stream);

// grad_x = grad_y * derivative; grad_bias += column sums of it before rounding. grad_x may be
// grad_y or derivative. grad_bias null: not wanted, and then `workspace` is not read; else it is
// device memory of column_sums_workspace(rows, columns) floats, undefined contents.
template <class T>
int bias_gelu_backward_cuda(const T* grad_y, const T* derivative, T* grad_x, float* grad_bias,
                            float* workspace, std::int64_t rows, std::int64_t columns,
                            void* stream);

}  // namespace attune
