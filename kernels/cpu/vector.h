// Vectors of floats by GCC's vector extensions, as wide as the instruction set of this translation
// unit.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#if !defined(ATTUNE_ISA)
#error "compiled once per instruction set: ATTUNE_ISA names the namespace"
#endif

namespace attune::ATTUNE_ISA {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
#elif defined(__AVX2__)
inline constexpr int kLanes = 8;
#else
inline constexpr int kLanes = 4;
#endif

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef std::int32_t VecInt __attribute__((vector_size(kLanes * 4)));
typedef std::uint32_t VecUint __attribute__((vector_size(kLanes * 4)));

inline __attribute__((always_inline)) Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline __attribute__((always_inline)) void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }
inline __attribute__((always_inline)) Vec broadcast(float x) { return x - Vec{}; }
inline __attribute__((always_inline)) float sum(Vec v) {
  float s = 0;
  for (int i = 0; i < kLanes; ++i) s += v[i];
  return s;
}
inline __attribute__((always_inline)) float max(Vec v) {
  float m = v[0];
  for (int i = 1; i < kLanes; ++i) m = v[i] > m ? v[i] : m;
  return m;
}
inline __attribute__((always_inline)) VecUint lane_numbers() {
  VecUint v;
  for (int i = 0; i < kLanes; ++i) v[i] = static_cast<std::uint32_t>(i);
  return v;
}

// Reinterpretation of bits, for the vectors as for one number.
inline __attribute__((always_inline)) VecInt bits_of(Vec x) { return (VecInt)x; }
inline __attribute__((always_inline)) Vec float_of(VecInt x) { return (Vec)x; }
inline __attribute__((always_inline)) std::int32_t bits_of(float x) {
  return std::bit_cast<std::int32_t>(x);
}
inline __attribute__((always_inline)) float float_of(std::int32_t x) {
  return std::bit_cast<float>(x);
}

// e^x to about 1 ulp for x in [-87, 0]; smaller x gives e^-87, about 1e-38. Cody-Waite reduction
// and the minimax polynomial of Cephes' expf. V is Vec, or float inside a loop that is vectorised.
template <class V>
inline __attribute__((always_inline)) V exp(V x) {
  const V lowest = V{} - 87.f, magic = V{} + 12582912.f;
  x = x < lowest ? lowest : x;
  const V shifted = x * 1.44269504f + magic;  // rounds x / ln 2 to an integer in the low bits
  const auto n = bits_of(shifted) - bits_of(magic);
  const V whole = shifted - magic;
  const V f = x - whole * 0.693359375f + whole * 2.12194440e-4f;
  V p = V{} + 1.9875691500e-4f;
  p = p * f + 1.3981999507e-3f;
  p = p * f + 8.3334519073e-3f;
  p = p * f + 4.1665795894e-2f;
  p = p * f + 1.6666665459e-1f;
  p = p * f + 5.0000001201e-1f;
  p = p * f * f + f + 1.f;
  return p * float_of((n + 127) << 23);
}

}  // namespace attune::ATTUNE_ISA
