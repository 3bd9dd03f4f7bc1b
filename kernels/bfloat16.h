// bfloat16 as it lies in memory (the layout of c10::BFloat16). It is a storage format only: kernels
// widen it on load, compute in fp32 and round to nearest even on store. Always inlined: of bodies
// compiled for several instruction sets the linker would keep one, and every processor run it.
#pragma once

#include <bit>
#include <cstdint>

namespace attune {

struct BFloat16 {
  std::uint16_t bits;
};

inline __attribute__((always_inline)) float widen(float x) { return x; }
inline __attribute__((always_inline)) float widen(BFloat16 x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
}

template <class T>
T narrow(float x);
template <>
inline __attribute__((always_inline)) float narrow<float>(float x) {
  return x;
}
template <>
inline __attribute__((always_inline)) BFloat16 narrow<BFloat16>(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  return {static_cast<std::uint16_t>(x == x ? rounded : 0x7fc0u)};  // a NaN stays one
}

}  // namespace attune
