// Rows divided by their length, and the way back, for losses on cosines.
#pragma once

#include <ATen/core/Tensor.h>

namespace attune {

struct Normalized {
  at::Tensor unit, norm;  // [n, d], [n, 1] clamped as torch.nn.functional.normalize does (1e-12)
  at::Tensor clamped;     // [n, 1] bool: the norm was below that
};

Normalized normalize(const at::Tensor& x);

// From d loss / d unit to d loss / d x: (g - u (u . g)) / |x|; a clamped norm is a constant.
at::Tensor normalize_backward(const Normalized& x, const at::Tensor& g);

}  // namespace attune
