#include "kernels/cpu/gelu_math.h"
#include "kernels/cpu/isa_functions.h"

namespace attune::ATTUNE_ISA {
template <class T>
void gelu(const T* x, T* y, T* derivative, std::int64_t begin, std::int64_t end) {
  if (derivative) {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) {
      const float value = widen(x[i]), phi = normal_distribution(value);
      y[i] = narrow<T>(value * phi);
      derivative[i] = narrow<T>(slope(value, phi));
    }
  } else {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) {
      const float value = widen(x[i]);
      y[i] = narrow<T>(value * normal_distribution(value));
    }
  }
}

template void gelu(const float*, float*, float*, std::int64_t, std::int64_t);
template void gelu(const BFloat16*, BFloat16*, BFloat16*, std::int64_t, std::int64_t);

}  // namespace attune::ATTUNE_ISA
