#include "kernels/embedding.h"

#include <cuda_runtime.h>

#include "kernels/cuda/functions.h"
#include "kernels/cuda/norm.h"

namespace attune::ATTUNE_CUDA_NAMESPACE {
namespace {

// The row of a table, or null outside of it.
__device__ __forceinline__ const float* row_of(const float* table, std::int64_t rows,
                                               std::int64_t width, std::int32_t row) {
  return row >= 0 && row < rows ? table + row * width : nullptr;
}

// s = word + position + type.
struct Lookup {
  EmbeddingRows rows;
  std::int64_t width;

  bool packed(std::int64_t columns) const {
    return ATTUNE_CUDA_NAMESPACE::packed(rows.word, columns) &&
           ATTUNE_CUDA_NAMESPACE::packed(rows.position, columns) &&
           ATTUNE_CUDA_NAMESPACE::packed(rows.type, columns);
  }

  struct Row {
    const float *word, *position = nullptr, *type = nullptr;
    bool outside;

    __device__ __forceinline__ Row(const Lookup& lookup, std::int64_t token) {
      const EmbeddingRows& r = lookup.rows;
      word = row_of(r.word, r.words, lookup.width, r.ids[token]);
      if (r.position) position = row_of(r.position, r.positions, lookup.width, r.places[token]);
      if (r.type) type = row_of(r.type, r.types, lookup.width, r.kinds ? r.kinds[token] : 0);
      outside = !word || (r.position && !position) || (r.type && !type);
    }
    template <int kCount>
    __device__ __forceinline__ void load(std::int64_t column, float (&s)[kCount]) const {
      if (outside) {
#pragma unroll
        for (int i = 0; i < kCount; ++i) s[i] = nanf("");
        return;
      }
      ATTUNE_CUDA_NAMESPACE::load(word + column, s);
      if (type) load_add(type + column, s);
      if (position) load_add(position + column, s);
    }
  };
};

constexpr int kWarpsPerBlock = 4;

// from[order[begin]] + ... + from[order[end - 1]] at `column`.
template <int kCount>
__device__ __forceinline__ void sum_tokens(const float* from, const std::int32_t* order,
                                           std::int32_t begin, std::int32_t end, std::int64_t width,
                                           std::int64_t column, float (&sum)[kCount]) {
#pragma unroll 4
  for (std::int32_t t = begin; t < end; ++t)
    load_add(from + static_cast<std::int64_t>(order[t]) * width + column, sum);
}

// One warp for each short row, then one for each piece of a long one, whose sums go to `partial`
// [long pieces, width].
template <int kCount>
__global__ void scatter_pieces_kernel(const float* from, ScatterPlan plan, std::int64_t pieces,
                                      std::int64_t width, float* table, float* partial) {
  const std::int64_t item =
      static_cast<std::int64_t>(blockIdx.x) * kWarpsPerBlock + threadIdx.x / kWarp;
  const std::int64_t first = static_cast<std::int64_t>(threadIdx.x % kWarp) * kCount;
  if (item < plan.tokens) {
    const std::int32_t row = plan.short_row[item];
    if (row < 0) return;
    for (std::int64_t column = first; column < width; column += kWarp * kCount) {
      float sum[kCount] = {};
      sum_tokens(from, plan.order, plan.short_begin[item], plan.short_begin[item + 1], width,
                 column, sum);
      float* to = table + row * width + column;
      load_add(to, sum);
      store(to, sum);
    }
  } else if (item < plan.tokens + pieces) {
    const std::int64_t piece = item - plan.tokens;
    const std::int32_t begin = plan.piece_begin[piece], end = plan.piece_begin[piece + 1];
    if (begin == end) return;
    for (std::int64_t column = first; column < width; column += kWarp * kCount) {
      float sum[kCount] = {};
      sum_tokens(from, plan.order, begin, end, width, column, sum);
      store(partial + piece * width + column, sum);
    }
  }
}

// One warp for each long row.
template <int kCount>
__global__ void scatter_long_rows_kernel(const float* partial, ScatterPlan plan,
                                         std::int64_t pieces, std::int64_t width, float* table) {
  const std::int64_t item =
      static_cast<std::int64_t>(blockIdx.x) * kWarpsPerBlock + threadIdx.x / kWarp;
  if (item >= pieces) return;
  const std::int32_t row = plan.long_row[item];
  if (row < 0) return;
  for (std::int64_t column = static_cast<std::int64_t>(threadIdx.x % kWarp) * kCount;
       column < width; column += kWarp * kCount) {
    float sum[kCount] = {};
#pragma unroll 4
    for (std::int32_t piece = plan.long_begin[item]; piece < plan.long_begin[item + 1]; ++piece)
      load_add(partial + piece * width + column, sum);
    float* to = table + row * width + column;
    load_add(to, sum);
    store(to, sum);
  }
}

}  // namespace

template <class T>
int embedding_forward(const EmbeddingRows& rows, const AddLayerNorm& norm,
                      const EmbeddingForward<T>& data, std::int64_t tokens, void* stream) {
  const NormOutputs<T> out{data.y,
                           data.y_narrow,
                           data.normalized,
                           data.normalized_narrow,
                           data.inverse_deviation,
                           /*sum=*/nullptr};
  return norm_forward(Lookup{rows, norm.width}, norm, norm.dropout, out, tokens, stream);
}

template <class T>
int embedding_backward(const AddLayerNorm& norm, const EmbeddingBackward<T>& data,
                       std::int64_t tokens, float* workspace, void* stream) {
  AddLayerNorm without_dropout = norm;
  without_dropout.dropout = {};
  AddLayerNormBackward<T> backward{data.grad_y,
                                   data.grad_y_narrow,
                                   data.normalized,
                                   data.inverse_deviation,
                                   data.grad_sum,
                                   /*grad_x=*/nullptr,
                                   norm.weight ? data.grad_weight : nullptr,
                                   norm.weight ? data.grad_bias : nullptr};
  backward.normalized_narrow = data.normalized_narrow;
  return norm_backward(without_dropout, norm.dropout, backward, tokens, workspace, stream);
}

int scatter_add(const float* from, const ScatterPlan& plan, std::int64_t width, float* table,
                float* workspace, void* stream) {
  if (plan.tokens == 0 || width == 0) return cudaSuccess;
  const std::int64_t pieces = ScatterPlan::long_pieces(plan.tokens);
  const bool packs = packed(from, width) && packed(table, width) && packed(workspace, width);
  const auto blocks = [](std::int64_t items) {
    return blocks_for(divide_up<std::int64_t>(items, kWarpsPerBlock));
  };
  const int error = launch(packs ? scatter_pieces_kernel<kPack> : scatter_pieces_kernel<1>,
                           blocks(plan.tokens + pieces), kWarpsPerBlock * kWarp, stream, from, plan,
                           pieces, width, table, workspace);
  if (error || pieces == 0) return error;
  return launch(packs ? scatter_long_rows_kernel<kPack> : scatter_long_rows_kernel<1>,
                blocks(pieces), kWarpsPerBlock * kWarp, stream, workspace, plan, pieces, width,
                table);
}

#define ATTUNE_INSTANTIATE(T)                                                                     \
  template int embedding_forward(const EmbeddingRows&, const AddLayerNorm&,                       \
                                 const EmbeddingForward<T>&, std::int64_t, void*);                \
  template int embedding_backward(const AddLayerNorm&, const EmbeddingBackward<T>&, std::int64_t, \
                                  float*, void*)
ATTUNE_INSTANTIATE(float);
ATTUNE_INSTANTIATE(BFloat16);
#undef ATTUNE_INSTANTIATE

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
