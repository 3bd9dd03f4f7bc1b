#include "trainer/losses/normalized.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

namespace attune {

Normalized normalize(const at::Tensor& x) {
  constexpr double kEpsilon = 1e-12;
  const at::Tensor norm = at::linalg_vector_norm(x, 2, {1}, /*keepdim=*/true);
  const at::Tensor clamped = norm.clamp_min(kEpsilon);
  return {x / clamped, clamped, norm < kEpsilon};
}

at::Tensor normalize_backward(const Normalized& x, const at::Tensor& g) {
  const at::Tensor along = (x.unit * g).sum(1, /*keepdim=*/true).masked_fill(x.clamped, 0);
  return (g - x.unit * along) / x.norm;
}

}  // namespace attune
