#include "trainer/losses/similarity.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

#include "core/error.h"

namespace attune {

Similarity parse_similarity(const std::string& name, Similarity otherwise) {
  if (name == "cosine") return Similarity::kCosine;
  if (name == "dot") return Similarity::kDot;
  if (name == "euclidean") return Similarity::kEuclidean;
  if (name == "manhattan") return Similarity::kManhattan;
  ATTUNE_ASSERT(name == "default");
  return otherwise;
}

at::Tensor unit_rows(const at::Tensor& x) {
  return x / at::linalg_vector_norm(x, 2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

at::Tensor pairwise_similarity(const at::Tensor& a, const at::Tensor& b, Similarity similarity) {
  switch (similarity) {
    case Similarity::kCosine:
      return (unit_rows(a) * unit_rows(b)).sum(1);
    case Similarity::kDot:
      return (a * b).sum(1);
    case Similarity::kEuclidean:
      return -at::linalg_vector_norm(a - b, 2, {1});
    case Similarity::kManhattan:
      return -at::linalg_vector_norm(a - b, 1, {1});
  }
  throw InternalError("unknown similarity");
}

at::Tensor similarity_matrix(const at::Tensor& a, const at::Tensor& b, Similarity similarity) {
  if (similarity == Similarity::kDot) return a.matmul(b.t());
  ATTUNE_ASSERT(similarity == Similarity::kCosine);
  return unit_rows(a).matmul(unit_rows(b).t());
}

}  // namespace attune
