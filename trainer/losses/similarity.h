// The similarities of losses, differentiable; higher is nearer.
//   cosine     a . b / (|a| |b|), norms at least 1e-12
//   dot        a . b
//   euclidean  -|a - b|_2        manhattan  -|a - b|_1
#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

namespace attune {

enum class Similarity : std::uint8_t { kCosine, kDot, kEuclidean, kManhattan };

// `name` of the configuration, where "default" is `otherwise`.
Similarity parse_similarity(const std::string& name, Similarity otherwise);

at::Tensor unit_rows(const at::Tensor& x);  // [n, d], each row divided by its length

// a [n, d] with b [n, d], row by row: [n]
at::Tensor pairwise_similarity(const at::Tensor& a, const at::Tensor& b, Similarity similarity);
// Every row of a [n, d] with every row of b [m, d]: [n, m]; cosine and dot.
at::Tensor similarity_matrix(const at::Tensor& a, const at::Tensor& b, Similarity similarity);

}  // namespace attune
