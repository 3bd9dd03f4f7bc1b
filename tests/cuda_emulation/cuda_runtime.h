// What attune's .cu files use of CUDA, for the processor: found before the toolkit's header, it
// lets them be compiled as ordinary C++ and run by emulator.cpp. Only what they use is here.
//
// A block's threads are fibers of one processor thread. A thread runs until it waits (barrier, warp
// exchange) or ends; then the next one runs. Blocks run one after the other, so __shared__ is a
// static; it is filled with NaN before each block.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
// A section of its own, so that the emulator finds it all. No __shared__ in inline functions: the
// linker cannot hold those and others in one section.
#define __shared__ static __attribute__((section("attune_shared")))

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorLaunchFailure = 719
};
const char* cudaGetErrorString(cudaError_t error);
using cudaStream_t = struct CUstream_st*;
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

namespace attune::cuda_emulation {
cudaError_t launch(const cudaLaunchConfig_t& config, void (*call)(void*), void* arguments);
// The calling thread waits for all of its block or for the lanes in `mask`; `line` names the place.
void wait_for_block(int line);
void wait_for_warp(unsigned mask, int line);
// Gives `bits` to the other lanes in `mask` and returns those of lane `source`.
std::uint64_t exchange(unsigned mask, std::uint64_t bits, int source, int line);

template <class T>
T shuffle(unsigned mask, T value, int source, int line) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = exchange(mask, bits, source, line);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
}  // namespace attune::cuda_emulation

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  const auto call = [&] { kernel(static_cast<Parameters>(arguments)...); };
  using Call = decltype(call);
  return attune::cuda_emulation::launch(
      *config, [](void* c) { (*static_cast<Call*>(c))(); },
      const_cast<void*>(static_cast<const void*>(&call)));
}

inline void __syncthreads(int line = __builtin_LINE()) {
  attune::cuda_emulation::wait_for_block(line);
}
inline void __syncwarp(unsigned mask = ~0u, int line = __builtin_LINE()) {
  attune::cuda_emulation::wait_for_warp(mask, line);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int line = __builtin_LINE()) {
  return attune::cuda_emulation::shuffle(mask, value,
                                         static_cast<int>(threadIdx.x % 32) ^ lane_mask, line);
}

// Each rounded by itself; the library is compiled with -ffp-contract=off.
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
