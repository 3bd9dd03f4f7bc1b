// LayerNorm of rows that a Source makes: what add_layer_norm and the embedding layer share. A row
// stays in registers; its sums go over a group of threads:
//   OneWarp   four rows a block, no barriers: widths up to 1,024 that are read in packs
//   OneBlock  all other widths up to kMaxNormWidth
// The kernels are in an unnamed namespace: each .cu has its own.
#pragma once

#include <cuda_runtime.h>

#include <type_traits>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/packs.h"
#include "kernels/cuda/reduce.h"
#include "kernels/cuda/row_dropout.h"
#include "kernels/layer_norm.h"

namespace attune::ATTUNE_CUDA_NAMESPACE {
namespace {

struct OneWarp {
  static constexpr unsigned kGroups = 4;  // of a block
  static constexpr unsigned kMostThreads = kGroups * kWarp;
  __device__ static unsigned group() { return threadIdx.x / kWarp; }
  __device__ static unsigned rank() { return threadIdx.x % kWarp; }
  __device__ static unsigned size() { return kWarp; }
  __device__ static float sum(float x, float*) { return warp_reduce<Sum>(x); }
};

struct OneBlock {
  static constexpr unsigned kGroups = 1;
  static constexpr unsigned kMostThreads = 512;
  __device__ static unsigned group() { return 0; }
  __device__ static unsigned rank() { return threadIdx.x; }
  __device__ static unsigned size() { return blockDim.x; }
  __device__ static float sum(float x, float* shared) { return block_reduce<Sum>(x, 0.f, shared); }
};

// The outputs of add_layer_norm and of the embedding layer together; null: not written.
template <class T>
struct NormOutputs {
  float* y;
  T* y_narrow;
  float* normalized;
  T* normalized_narrow;
  float* inverse_deviation;
  float* sum;
};

// s = source, n, y = dropout(n * weight + bias); without weight y = dropout(s). A row's thread has
// kPer packs of kCount columns, pack p at (rank + p * size) * kCount.
template <class Group, int kCount, int kPer, class T, class Source>
__global__ void __launch_bounds__(Group::kMostThreads)
    norm_forward_kernel(Source source, AddLayerNorm norm, Dropout dropout, NormOutputs<T> out,
                        std::int64_t rows) {
  __shared__ float sums[2][kMaxWarps];
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * Group::kGroups + Group::group();
  if (row >= rows) return;  // a whole group
  const std::int64_t width = norm.width, start = row * width;
  const auto column_of = [&](int p) {
    return (static_cast<std::int64_t>(Group::rank()) + p * Group::size()) * kCount;
  };
  const typename Source::Row from(source, row);
  float s[kPer][kCount] = {};
  float total = 0;
#pragma unroll
  for (int p = 0; p < kPer; ++p) {
    const std::int64_t column = column_of(p);
    if (column >= width) continue;
    from.load(column, s[p]);
    if (out.sum) store(out.sum + start + column, s[p]);
#pragma unroll
    for (int i = 0; i < kCount; ++i) total += s[p][i];
  }
  if (norm.weight) {
    const float mean = Group::sum(total, sums[0]) / static_cast<float>(width);
    float squares = 0;
#pragma unroll
    for (int p = 0; p < kPer; ++p) {
      if (column_of(p) >= width) continue;
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        s[p][i] -= mean;
        squares += s[p][i] * s[p][i];
      }
    }
    const float inverse =
        1 / sqrtf(Group::sum(squares, sums[1]) / static_cast<float>(width) + norm.epsilon);
    if (out.inverse_deviation && Group::rank() == 0) out.inverse_deviation[row] = inverse;
#pragma unroll
    for (int p = 0; p < kPer; ++p) {
      const std::int64_t column = column_of(p);
      if (column >= width) continue;
      float weight[kCount], bias[kCount] = {};
      load(norm.weight + column, weight);
      if (norm.bias) load(norm.bias + column, bias);
#pragma unroll
      for (int i = 0; i < kCount; ++i) s[p][i] *= inverse;
      if (out.normalized) store(out.normalized + start + column, s[p]);
      if (out.normalized_narrow) store(out.normalized_narrow + start + column, s[p]);
#pragma unroll
      for (int i = 0; i < kCount; ++i) s[p][i] = s[p][i] * weight[i] + bias[i];
    }
  }
  const RowDropout mask(dropout, norm.token_uid, norm.positions, row);
#pragma unroll
  for (int p = 0; p < kPer; ++p) {
    const std::int64_t column = column_of(p);
    if (column >= width) continue;
    mask.apply(static_cast<std::uint32_t>(column), s[p]);
    if (out.y) store(out.y + start + column, s[p]);
    if (out.y_narrow) store(out.y_narrow + start + column, s[p]);
  }
}

// Calls `run` with the kind of group, the sizes of a thread's share, and the threads of a block.
template <class Run>
int with_norm_shape(std::int64_t width, bool packs, const Run& run) {
  constexpr std::int64_t kOfWarp = kWarp * kPack;
  const auto of_warp = [&](auto per) {
    return run(OneWarp(), std::integral_constant<int, kPack>(), per, OneWarp::kGroups * kWarp);
  };
  const auto of_block = [&](auto count, auto per) {
    const std::int64_t warps = divide_up<std::int64_t>(width, kWarp * count * per);
    return run(OneBlock(), count, per, static_cast<unsigned>(warps * kWarp));
  };
  if (width < 1 || width > kMaxNormWidth) return cudaErrorInvalidValue;
  if (!packs) return of_block(std::integral_constant<int, 1>(), std::integral_constant<int, 16>());
  if (width <= kOfWarp) return of_warp(std::integral_constant<int, 1>());
  if (width <= 3 * kOfWarp) return of_warp(std::integral_constant<int, 3>());
  if (width <= 6 * kOfWarp) return of_warp(std::integral_constant<int, 6>());
  if (width <= 8 * kOfWarp) return of_warp(std::integral_constant<int, 8>());
  return of_block(std::integral_constant<int, kPack>(), std::integral_constant<int, 4>());
}

template <class T, class Source>
int norm_forward(const Source& source, const AddLayerNorm& norm, const Dropout& dropout,
                 const NormOutputs<T>& out, std::int64_t rows, void* stream) {
  if (rows == 0) return cudaSuccess;
  const std::int64_t width = norm.width;
  const bool packs = source.packed(width) && packed(norm.weight, width) &&
                     packed(norm.bias, width) && packed(out.y, width) &&
                     packed(out.y_narrow, width) && packed(out.normalized, width) &&
                     packed(out.normalized_narrow, width) && packed(out.sum, width);
  return with_norm_shape(width, packs, [&](auto group, auto count, auto per, unsigned threads) {
    using Group = decltype(group);
    return launch(norm_forward_kernel<Group, count, per, T, Source>,
                  blocks_for(divide_up<std::int64_t>(rows, Group::kGroups)), threads, stream,
                  source, norm, dropout, out, rows);
  });
}

}  // namespace

// `of_y` is the dropout of y, norm.dropout that of x; without weight grad_s = dropout'(grad_y).
// cuda/layer_norm.cu
template <class T>
int norm_backward(const AddLayerNorm& norm, const Dropout& of_y,
                  const AddLayerNormBackward<T>& data, std::int64_t rows, float* workspace,
                  void* stream);

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
