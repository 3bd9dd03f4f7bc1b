#include "kernels/layer_norm.h"

#include <cuda_runtime.h>

#include "kernels/cuda/functions.h"
#include "kernels/cuda/norm.h"
#include "kernels/cuda/parts.h"

namespace attune::ATTUNE_CUDA_NAMESPACE {
namespace {

// s = residual + dropout(x).
template <class T>
struct Addition {
  const T* x;
  const float* residual;  // null: zero
  Dropout dropout;
  const std::int64_t* token_uid;
  const std::int32_t* positions;
  std::int64_t width;

  bool packed(std::int64_t columns) const {
    return ATTUNE_CUDA_NAMESPACE::packed(x, columns) &&
           ATTUNE_CUDA_NAMESPACE::packed(residual, columns);
  }

  struct Row {
    const T* x;
    const float* residual;
    RowDropout mask;

    __device__ __forceinline__ Row(const Addition& a, std::int64_t row)
        : x(a.x + row * a.width),
          residual(a.residual ? a.residual + row * a.width : nullptr),
          mask(a.dropout, a.token_uid, a.positions, row) {}
    template <int kCount>
    __device__ __forceinline__ void load(std::int64_t column, float (&s)[kCount]) const {
      ATTUNE_CUDA_NAMESPACE::load(x + column, s);
      mask.apply(static_cast<std::uint32_t>(column), s);
      if (residual) load_add(residual + column, s);
    }
  };
};

// A block goes over one part of the rows; every thread keeps its columns' sums for the gradients of
// weight and bias, and the block's groups add theirs in order. partial [parts, 2 * width]; null:
// not wanted. `of_y` is the dropout of y, norm.dropout that of x.
template <class Group, int kCount, int kPer, class T>
__global__ void __launch_bounds__(Group::kMostThreads)
    norm_backward_kernel(AddLayerNorm norm, Dropout of_y, AddLayerNormBackward<T> data,
                         std::int64_t rows, std::int64_t rows_per_part, float* partial) {
  __shared__ float sums[2][2][kMaxWarps];
  __shared__ Pack<float, kCount> combined[2][Group::kGroups == 1 ? 1 : kPer * kWarp];
  const std::int64_t width = norm.width;
  const auto column_of = [&](int p) {
    return (static_cast<std::int64_t>(Group::rank()) + p * Group::size()) * kCount;
  };
  float weight_sum[kPer][kCount] = {}, bias_sum[kPer][kCount] = {};
  const std::int64_t begin = blockIdx.x * rows_per_part,
                     end = begin + rows_per_part < rows ? begin + rows_per_part : rows;
  int turn = 0;
  for (std::int64_t row = begin + Group::group(); row < end; row += Group::kGroups, turn ^= 1) {
    const std::int64_t start = row * width;
    const RowDropout mask_y(of_y, norm.token_uid, norm.positions, row);
    float h[kPer][kCount] = {}, n[kPer][kCount] = {};
    float sum = 0, projection = 0;
#pragma unroll
    for (int p = 0; p < kPer; ++p) {
      const std::int64_t column = column_of(p), at = start + column;
      if (column >= width) continue;
      if (data.grad_y) load_add(data.grad_y + at, h[p]);
      if (data.grad_y_narrow) load_add(data.grad_y_narrow + at, h[p]);
      mask_y.apply(static_cast<std::uint32_t>(column), h[p]);
      if (!norm.weight) continue;
      if (data.normalized)
        load(data.normalized + at, n[p]);
      else
        load(data.normalized_narrow + at, n[p]);
      float weight[kCount];
      load(norm.weight + column, weight);
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        weight_sum[p][i] += h[p][i] * n[p][i];
        bias_sum[p][i] += h[p][i];
        h[p][i] *= weight[i];
        sum += h[p][i];
        projection += h[p][i] * n[p][i];
      }
    }
    float mean = 0, along = 0, inverse = 1;
    if (norm.weight) {
      mean = Group::sum(sum, sums[turn][0]) / static_cast<float>(width);
      along = Group::sum(projection, sums[turn][1]) / static_cast<float>(width);
      inverse = data.inverse_deviation[row];
    }
    const RowDropout mask_x(norm.dropout, norm.token_uid, norm.positions, row);
#pragma unroll
    for (int p = 0; p < kPer; ++p) {
      const std::int64_t column = column_of(p), at = start + column;
      if (column >= width) continue;
#pragma unroll
      for (int i = 0; i < kCount; ++i) h[p][i] = (h[p][i] - mean - n[p][i] * along) * inverse;
      if (data.grad_sum) load_add(data.grad_sum + at, h[p]);
      store(data.grad_residual + at, h[p]);
      if (!data.grad_x) continue;
      mask_x.apply(static_cast<std::uint32_t>(column), h[p]);
      store(data.grad_x + at, h[p]);
    }
  }
  if (!partial) return;
  for (unsigned group = 0; group < Group::kGroups; ++group) {
    if (group == Group::group()) {
#pragma unroll
      for (int p = 0; p < kPer; ++p) {
        const std::int64_t column = column_of(p);
        if (column >= width) continue;
        const unsigned slot = Group::rank() + p * kWarp;
        if (group > 0) {
          load_add(combined[0][slot].values, weight_sum[p]);
          load_add(combined[1][slot].values, bias_sum[p]);
        }
        if (group + 1 < Group::kGroups) {
          store(combined[0][slot].values, weight_sum[p]);
          store(combined[1][slot].values, bias_sum[p]);
        } else {
          float* sums_of_part = partial + 2 * static_cast<std::int64_t>(blockIdx.x) * width;
          store(sums_of_part + column, weight_sum[p]);
          store(sums_of_part + width + column, bias_sum[p]);
        }
      }
    }
    if (Group::kGroups > 1) __syncthreads();
  }
}

}  // namespace

template <class T>
int norm_backward(const AddLayerNorm& norm, const Dropout& of_y,
                  const AddLayerNormBackward<T>& data, std::int64_t rows, float* workspace,
                  void* stream) {
  if (rows == 0) return cudaSuccess;
  if (data.grad_bias && !data.grad_weight) return cudaErrorInvalidValue;
  if (norm.weight && !data.normalized && !data.normalized_narrow) return cudaErrorInvalidValue;
  const std::int64_t width = norm.width;
  float* partial = data.grad_weight ? workspace : nullptr;
  const bool packs = packed(norm.weight, width) && packed(data.grad_y, width) &&
                     packed(data.grad_y_narrow, width) && packed(data.normalized, width) &&
                     packed(data.normalized_narrow, width) && packed(data.grad_residual, width) &&
                     packed(data.grad_x, width) && packed(data.grad_sum, width) &&
                     packed(partial, width);
  const int error =
      with_norm_shape(width, packs, [&](auto group, auto count, auto per, unsigned threads) {
        using Group = decltype(group);
        return launch(norm_backward_kernel<Group, count, per, T>,
                      static_cast<unsigned>(parts_of(rows)), threads, stream, norm, of_y, data,
                      rows, rows_per_part(rows), partial);
      });
  if (error || !partial) return error;
  return add_parts(partial, parts_of(rows), 2 * width, width, data.grad_weight, data.grad_bias,
                   stream);
}

template <class T>
int add_layer_norm_forward(const AddLayerNorm& norm, const AddLayerNormForward<T>& data,
                           std::int64_t rows, void* stream) {
  if (!norm.weight) return cudaErrorInvalidValue;
  const Addition<T> source{data.x,         data.residual,  norm.dropout,
                           norm.token_uid, norm.positions, norm.width};
  const NormOutputs<T> out{
      data.y,  data.y_narrow, data.normalized, data.normalized_narrow, data.inverse_deviation,
      data.sum};
  return norm_forward(source, norm, /*dropout=*/Dropout(), out, rows, stream);
}

template <class T>
int add_layer_norm_backward(const AddLayerNorm& norm, const AddLayerNormBackward<T>& data,
                            std::int64_t rows, float* workspace, void* stream) {
  if (!norm.weight) return cudaErrorInvalidValue;
  return norm_backward(norm, /*of_y=*/Dropout(), data, rows, workspace, stream);
}

#define ATTUNE_INSTANTIATE(T)                                                                     \
  template int norm_backward(const AddLayerNorm&, const Dropout&, const AddLayerNormBackward<T>&, \
                             std::int64_t, float*, void*);                                        \
  template int add_layer_norm_forward(const AddLayerNorm&, const AddLayerNormForward<T>&,         \
                                      std::int64_t, void*);                                       \
  template int add_layer_norm_backward(const AddLayerNorm&, const AddLayerNormBackward<T>&,       \
                                       std::int64_t, float*, void*)
ATTUNE_INSTANTIATE(float);
ATTUNE_INSTANTIATE(BFloat16);
#undef ATTUNE_INSTANTIATE

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
