// bfloat16 as it lies in memory (the layout of c10::BFloat16). It is a storage format only: kernels
// widen it on load, compute in fp32 and round to nearest even on store.
#pragma once

#include <cstdint>

#include "kernels/host_device.h"

namespace attune {

struct BFloat16 {
  std::uint16_t bits;
};

// The compiler's own bit cast: std::bit_cast is not to be had in CUDA sources, which are C++17.
ATTUNE_HOST_DEVICE float widen(float x) { return x; }
ATTUNE_HOST_DEVICE float widen(BFloat16 x) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(x.bits) << 16);
}

template <class T>
ATTUNE_HOST_DEVICE T narrow(float x);
template <>
ATTUNE_HOST_DEVICE float narrow<float>(float x) {
  return x;
}
template <>
ATTUNE_HOST_DEVICE BFloat16 narrow<BFloat16>(float x) {
#ifdef __CUDA_ARCH__  // the same rounding in one instruction
  BFloat16 result;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(x));
  return result;
#else
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  const std::uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  return {static_cast<std::uint16_t>(x == x ? rounded : 0x7fc0u)};  // a NaN stays one
#endif
}

}  // namespace attune
