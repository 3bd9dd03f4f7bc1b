// Starting a kernel: the same words for a GPU and for the tests' emulation.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace attune::ATTUNE_CUDA_NAMESPACE {

template <class... Parameters, class... Arguments>
int launch(void (*kernel)(Parameters...), dim3 grid, unsigned threads, void* stream,
           const Arguments&... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.stream = static_cast<cudaStream_t>(stream);
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

// Of a grid's first dimension, one block for each of `count` things; 0 where there are too many.
inline unsigned blocks_for(std::int64_t count) {
  return count <= 0x7fffffff ? static_cast<unsigned>(count) : 0;
}

template <class Integer>
constexpr Integer divide_up(Integer a, Integer b) {
  return (a + b - 1) / b;
}

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
