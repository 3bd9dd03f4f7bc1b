#include <cmath>

#include "kernels/cpu/isa_functions.h"

namespace attune::ATTUNE_ISA {

void cross_entropy(float* x, std::int64_t columns, std::int64_t first_target, float scale,
                   float factor, float* losses, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    float* s = x + row * columns;
    const float target = s[first_target + row];
    float top = s[0];
#pragma omp simd reduction(max : top)
    for (std::int64_t j = 0; j < columns; ++j) top = s[j] > top ? s[j] : top;
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (std::int64_t j = 0; j < columns; ++j) {
      s[j] = exp((s[j] - top) * scale);
      total += s[j];
    }
    const float share = factor / total;
#pragma omp simd
    for (std::int64_t j = 0; j < columns; ++j) s[j] *= share;
    s[first_target + row] -= factor;
    losses[row] = (top - target) * scale + std::log(total);
  }
}

}  // namespace attune::ATTUNE_ISA
