// Loads and stores of several neighbouring elements at once, widened to fp32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/bfloat16.h"

namespace attune::ATTUNE_CUDA_NAMESPACE {

inline constexpr int kPack = 4;

template <class T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T values[kCount];
};

// p must be aligned for Pack<T, kCount>.
template <int kCount, class T>
__device__ __forceinline__ void load(const T* p, float (&x)[kCount]) {
  const auto pack = *reinterpret_cast<const Pack<T, kCount>*>(p);
#pragma unroll
  for (int i = 0; i < kCount; ++i) x[i] = widen(pack.values[i]);
}

template <int kCount, class T>
__device__ __forceinline__ void store(T* p, const float (&x)[kCount]) {
  Pack<T, kCount> pack;
#pragma unroll
  for (int i = 0; i < kCount; ++i) pack.values[i] = narrow<T>(x[i]);
  *reinterpret_cast<Pack<T, kCount>*>(p) = pack;
}

// Adds to x.
template <int kCount, class T>
__device__ __forceinline__ void load_add(const T* p, float (&x)[kCount]) {
  float more[kCount];
  load(p, more);
#pragma unroll
  for (int i = 0; i < kCount; ++i) x[i] += more[i];
}

// Whether rows of `columns` elements at p (null: not used) can be read in packs of kPack.
template <class T>
bool packed(const T* p, std::int64_t columns) {
  return columns % kPack == 0 && reinterpret_cast<std::uintptr_t>(p) % (sizeof(T) * kPack) == 0;
}

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
