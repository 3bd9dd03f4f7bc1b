// Reductions over a warp and over a block, in a fixed order: equal bits in every run.
#pragma once

#include <cuda_runtime.h>

namespace attune::ATTUNE_CUDA_NAMESPACE {

inline constexpr int kWarp = 32, kMaxWarps = 32;

struct Sum {
  template <class T>
  __device__ __forceinline__ static T combine(T a, T b) {
    return a + b;
  }
};
// Of NaN and a number NaN, so that it cannot go unseen.
struct Largest {
  __device__ __forceinline__ static float combine(float a, float b) {
    return a > b || a != a ? a : b;
  }
};

// At every lane; all of the warp must come here.
template <class Operation, class T>
__device__ __forceinline__ T warp_reduce(T x) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2)
    x = Operation::combine(x, __shfl_xor_sync(0xffffffffu, x, offset));
  return x;
}

// At every thread of a block of whole warps, which must all come here. `shared` holds kMaxWarps
// values and may be written again after the next barrier.
template <class Operation, class T>
__device__ __forceinline__ T block_reduce(T x, T neutral, T* shared) {
  x = warp_reduce<Operation>(x);
  if (blockDim.x <= kWarp) return x;
  const unsigned warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  if (lane == 0) shared[warp] = x;
  __syncthreads();
  return warp_reduce<Operation>(lane < blockDim.x / kWarp ? shared[lane] : neutral);
}

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
