// The erf GELU of one number, inside a loop that is vectorised.
#pragma once

#include "kernels/cpu/vector.h"

namespace attune::ATTUNE_ISA {

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

}  // namespace attune::ATTUNE_ISA
