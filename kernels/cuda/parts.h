// Sums over rows in two phases: each part, a range of rows, writes its sums, and the parts' are
// summed in order. How the rows are split depends on their number alone, so that a sum has the same
// bits in every run and on every GPU.
#pragma once

#include <cstdint>

namespace attune {

inline constexpr std::int64_t kMaxParts = 512, kLeastRows = 8;

inline constexpr std::int64_t rows_per_part(std::int64_t rows) {
  const std::int64_t even = (rows + kMaxParts - 1) / kMaxParts;
  return even > kLeastRows ? even : kLeastRows;
}
inline constexpr std::int64_t parts_of(std::int64_t rows) {
  return (rows + rows_per_part(rows) - 1) / rows_per_part(rows);
}

#ifdef ATTUNE_CUDA_NAMESPACE
namespace ATTUNE_CUDA_NAMESPACE {
// first[c] += sum over parts of partial[part, c], and where second is not null second[c] += that of
// partial[part, columns + c]; partial [parts, stride]. cuda/column_sums.cu
int add_parts(const float* partial, std::int64_t parts, std::int64_t stride, std::int64_t columns,
              float* first, float* second, void* stream);
}  // namespace ATTUNE_CUDA_NAMESPACE
#endif

}  // namespace attune
