// Where a linear adapter of fewer numbers than its base starts: the directions that hold most of
// the documents' vectors.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace attune {

// vectors [n, d] fp32 -> [count, d] fp32, orthonormal rows: the eigenvectors of X^T X with the
// largest eigenvalues, so that X W^T keeps the inner products of X as well as any `count` numbers
// can (Eckart and Young 1936). The mean is not taken away, as what is compared is the cosine of
// vectors that still have it. Computed in fp64; of a vector and its negative the one whose largest
// entry is positive. count <= d.
at::Tensor principal_directions(const at::Tensor& vectors, std::int64_t count);

}  // namespace attune
