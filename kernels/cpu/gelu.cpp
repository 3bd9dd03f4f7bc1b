#include <cmath>

#include "kernels/cpu/isa_functions.h"

namespace attune::ATTUNE_ISA {
namespace {

inline __attribute__((always_inline)) float absolute(float x) { return x < 0 ? -x : x; }

// Error function to about 1 ulp, both ranges by minimax polynomials: a series in x^2 near 0, and
// 1 - exp of a polynomial beyond (after N. Juffa).
inline __attribute__((always_inline)) float erf(float x) {
  const float t = absolute(x), s = x * x;
  float far = -1.72853470e-5f * t + 3.83197126e-4f;
  const float u = -3.88396438e-3f * t + 2.42546219e-2f;
  far = far * s + u;
  far = far * t - 1.06777877e-1f;
  far = far * t - 6.34846687e-1f;
  far = far * t - 1.28717512e-1f;
  far = 1 - exp(far * t - t);
  far = x < 0 ? -far : far;
  float near = -5.96761703e-4f;
  near = near * s + 4.99119423e-3f;
  near = near * s - 2.67681349e-2f;
  near = near * s + 1.12819925e-1f;
  near = near * s - 3.76125336e-1f;
  near = near * s + 1.28379166e-1f;
  near = near * x + x;
  return t > 0.921875f ? far : near;
}

inline __attribute__((always_inline)) float normal_distribution(float x) {
  return 0.5f + 0.5f * erf(x * 0.707106781f);
}

// The derivative at x, where Phi(x) is `phi`.
inline __attribute__((always_inline)) float slope(float x, float phi) {
  constexpr float kInverseRootTwoPi = 0.398942280f;
  return phi + x * exp(-0.5f * x * x) * kInverseRootTwoPi;
}

}  // namespace

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
