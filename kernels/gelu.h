// erf GELU (Hendrycks & Gimpel 2016) and its derivative, on the CPU:
//
//   y = x Phi(x),   y' = Phi(x) + x phi(x),   Phi(x) = (1 + erf(x / sqrt(2))) / 2
//
// with phi the normal density. Keeping y' instead of x makes backward one product.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"

namespace attune {

// Elements [begin, end); T is float or BFloat16. y may be x; derivative may be x, null: not
// wanted.
template <class T>
void gelu_cpu(const T* x, T* y, T* derivative, std::int64_t begin, std::int64_t end);

}  // namespace attune
