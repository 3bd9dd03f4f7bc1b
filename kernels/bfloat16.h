// bfloat16 as it lies in memory (the layout of c10::BFloat16). It is a storage format only: kernels
// widen it on load, compute in fp32 and round to nearest even on store.
#pragma once

#include <bit>
#include <cstdint>

// A function in a header of the kernels must not have a body of its own: the linker would keep one
// of those compiled for the instruction sets, and the others would run it.
#define ATTUNE_ALWAYS_INLINE inline __attribute__((always_inline))

namespace attune {

struct BFloat16 {
  std::uint16_t bits;
};

ATTUNE_ALWAYS_INLINE float widen(float x) { return x; }
ATTUNE_ALWAYS_INLINE float widen(BFloat16 x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
}

template <class T>
T narrow(float x);
template <>
ATTUNE_ALWAYS_INLINE float narrow<float>(float x) {
  return x;
}
template <>
ATTUNE_ALWAYS_INLINE BFloat16 narrow<BFloat16>(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  return {static_cast<std::uint16_t>(x == x ? rounded : 0x7fc0u)};  // a NaN stays one
}

}  // namespace attune
