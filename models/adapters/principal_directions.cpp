#include "models/adapters/principal_directions.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/matmul.h>

#include "core/error.h"

namespace attune {

at::Tensor principal_directions(const at::Tensor& vectors, std::int64_t count) {
  ATTUNE_ASSERT(vectors.dim() == 2 && count >= 1 && count <= vectors.size(1));
  const at::Tensor x = vectors.to(at::kDouble);
  const auto [values, columns] = at::linalg_eigh(at::matmul(x.t(), x));  // ascending
  at::Tensor rows = columns.t().flip({0}).narrow(0, 0, count);
  const at::Tensor largest = rows.gather(1, rows.abs().argmax(1, /*keepdim=*/true));
  return (rows * largest.sign()).to(at::kFloat).contiguous();
}

}  // namespace attune
