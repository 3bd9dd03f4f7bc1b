#include <cuda_runtime.h>

#include "kernels/dropout.h"

namespace attune {
namespace {

// One block per token, threads over its features: the row key is made once a thread.
__global__ void dropout_kernel(const float* x, const std::int64_t* token_uid,
                               const std::int32_t* positions, float* y, std::int64_t width,
                               Dropout dropout) {
  const std::int64_t token = blockIdx.x;
  const std::uint32_t key = dropout_row_key(dropout.call_key, token_uid[token],
                                            static_cast<std::uint64_t>(positions[token]));
  for (std::int64_t c = threadIdx.x; c < width; c += blockDim.x) {
    const bool keep = hash32(key + static_cast<std::uint32_t>(c)) >= dropout.threshold;
    y[token * width + c] = keep ? x[token * width + c] * dropout.scale : 0.f;
  }
}

}  // namespace

int dropout_cuda(const float* x, const std::int64_t* token_uid, const std::int32_t* positions,
                 float* y, std::int64_t tokens, std::int64_t width, const Dropout& dropout,
                 void* stream) {
  if (tokens == 0) return cudaSuccess;
  dropout_kernel<<<static_cast<unsigned>(tokens), 128, 0, static_cast<cudaStream_t>(stream)>>>(
      x, token_uid, positions, y, width, dropout);
  return cudaGetLastError();
}

}  // namespace attune
