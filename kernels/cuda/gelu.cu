#include "kernels/gelu.h"

#include <cuda_runtime.h>

#include <type_traits>

#include "kernels/cuda/functions.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/packs.h"
#include "kernels/cuda/parts.h"
#include "kernels/cuda/tiles.h"

namespace attune::ATTUNE_CUDA_NAMESPACE {
namespace {

// Phi(x) and exp(-x^2 / 2).
template <class T>
__device__ __forceinline__ void normal(float x, float& distribution, float& density) {
  constexpr float kRootHalf = 0.707106781f;
  density = expf(-0.5f * x * x);
  if constexpr (std::is_same_v<T, float>) {
    distribution = 0.5f + 0.5f * erff(x * kRootHalf);
  } else {
    const float t = 1 / (1 + 0.3275911f * kRootHalf * fabsf(x));
    float tail = 1.061405429f;
    tail = tail * t - 1.453152027f;
    tail = tail * t + 1.421413741f;
    tail = tail * t - 0.284496736f;
    tail = tail * t + 0.254829592f;
    tail *= 0.5f * t * density;  // Phi(-|x|)
    distribution = x < 0 ? tail : 1 - tail;
  }
}

template <class T, int kCount>
__global__ void bias_gelu_forward_kernel(const T* x, const float* bias, T* y, T* derivative,
                                         std::int64_t rows, std::int64_t columns) {
  constexpr float kInverseRootTwoPi = 0.398942280f;
  const std::int64_t column =
      (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kCount;
  if (column >= columns) return;
  float added[kCount] = {};
  if (bias) load(bias + column, added);
#pragma unroll 2
  for (std::int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    const std::int64_t at = row * columns + column;
    float value[kCount], slope[kCount];
    load(x + at, value);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float z = value[i] + added[i];
      float distribution, density;
      normal<T>(z, distribution, density);
      value[i] = z * distribution;
      slope[i] = distribution + z * density * kInverseRootTwoPi;
    }
    store(y + at, value);
    if (derivative) store(derivative + at, slope);
  }
}

// A thread goes over one part of the rows, and keeps the sums of its columns.
template <class T, int kCount>
__global__ void bias_gelu_backward_kernel(const T* grad_y, const T* derivative, T* grad_x,
                                          float* partial, std::int64_t rows, std::int64_t columns,
                                          std::int64_t rows_per_part) {
  const std::int64_t column =
      (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kCount;
  if (column >= columns) return;
  const std::int64_t begin = blockIdx.y * rows_per_part,
                     end = begin + rows_per_part < rows ? begin + rows_per_part : rows;
  float sum[kCount] = {};
#pragma unroll 4
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t at = row * columns + column;
    float grad[kCount], slope[kCount];
    load(grad_y + at, grad);
    load(derivative + at, slope);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      grad[i] *= slope[i];
      sum[i] += grad[i];
    }
    store(grad_x + at, grad);
  }
  if (partial) store(partial + blockIdx.y * columns + column, sum);
}

}  // namespace

template <class T>
int bias_gelu_forward(const T* x, const float* bias, T* y, T* derivative, std::int64_t rows,
                      std::int64_t columns, void* stream) {
  if (rows == 0 || columns == 0) return cudaSuccess;
  constexpr std::int64_t kRowsPerThread = 4, kMostBlocks = 65535;
  const bool packs = packed(x, columns) && packed(bias, columns) && packed(y, columns) &&
                     packed(derivative, columns);
  const Tiles tiles = tiles_of(columns, packs ? kPack : 1);
  const std::int64_t blocks = divide_up(rows, kRowsPerThread);
  const dim3 grid(tiles.count, static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks));
  return launch(packs ? bias_gelu_forward_kernel<T, kPack> : bias_gelu_forward_kernel<T, 1>, grid,
                tiles.threads, stream, x, bias, y, derivative, rows, columns);
}

template <class T>
int bias_gelu_backward(const T* grad_y, const T* derivative, T* grad_x, float* grad_bias,
                       float* workspace, std::int64_t rows, std::int64_t columns, void* stream) {
  if (rows == 0 || columns == 0) return cudaSuccess;
  float* partial = grad_bias ? workspace : nullptr;
  const bool packs = packed(grad_y, columns) && packed(derivative, columns) &&
                     packed(grad_x, columns) && packed(partial, columns);
  const Tiles tiles = tiles_of(columns, packs ? kPack : 1);
  const dim3 grid(tiles.count, static_cast<unsigned>(parts_of(rows)));
  const int error =
      launch(packs ? bias_gelu_backward_kernel<T, kPack> : bias_gelu_backward_kernel<T, 1>, grid,
             tiles.threads, stream, grad_y, derivative, grad_x, partial, rows, columns,
             rows_per_part(rows));
  if (error || !grad_bias) return error;
  return add_parts(workspace, parts_of(rows), columns, columns, grad_bias, nullptr, stream);
}

#define ATTUNE_INSTANTIATE(T)                                                                \
  template int bias_gelu_forward(const T*, const float*, T*, T*, std::int64_t, std::int64_t, \
                                 void*);                                                     \
  template int bias_gelu_backward(const T*, const T*, T*, float*, float*, std::int64_t,      \
                                  std::int64_t, void*)
ATTUNE_INSTANTIATE(float);
ATTUNE_INSTANTIATE(BFloat16);
#undef ATTUNE_INSTANTIATE

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
