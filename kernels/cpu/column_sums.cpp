#include "kernels/column_sums.h"

namespace attune {

template <class T>
void add_column_sums_cpu(const T* x, float* sums, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) sums[c] += widen(x[r * columns + c]);
}

template void add_column_sums_cpu(const float*, float*, std::int64_t, std::int64_t);
template void add_column_sums_cpu(const BFloat16*, float*, std::int64_t, std::int64_t);

}  // namespace attune
