#include <cmath>

#include "kernels/cpu/isa_functions.h"

namespace attune::ATTUNE_ISA {
namespace {

// Phi(x) and exp(-x^2 / 2).
inline __attribute__((always_inline)) float normal_distribution(float x, float& gaussian) {
  const float magnitude = x < 0 ? -x : x;
  gaussian = exp(-0.5f * x * x);
  const float t = 1 / (1 + 0.231641888f * magnitude);  // 0.3275911 / sqrt(2)
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float tail = 0.5f * p * t * gaussian;  // Phi(-|x|)
  return x < 0 ? tail : 1 - tail;
}

}  // namespace

template <class T>
void gelu(const T* x, T* y, T* derivative, std::int64_t begin, std::int64_t end) {
  constexpr float kInverseRootTwoPi = 0.398942280f;
  if (derivative) {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) {
      const float value = widen(x[i]);
      float gaussian;
      const float phi = normal_distribution(value, gaussian);
      y[i] = narrow<T>(value * phi);
      derivative[i] = narrow<T>(phi + value * gaussian * kInverseRootTwoPi);
    }
  } else {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) {
      const float value = widen(x[i]);
      float gaussian;
      y[i] = narrow<T>(value * normal_distribution(value, gaussian));
    }
  }
}

template void gelu(const float*, float*, float*, std::int64_t, std::int64_t);
template void gelu(const BFloat16*, BFloat16*, BFloat16*, std::int64_t, std::int64_t);

}  // namespace attune::ATTUNE_ISA
