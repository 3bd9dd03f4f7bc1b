#include "kernels/layer_norm.h"

#include <cuda_runtime.h>

#include "kernels/cuda/functions.h"
#include "kernels/cuda/norm.h"

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

}  // namespace

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

#define ATTUNE_INSTANTIATE(T)                                                               \
  template int add_layer_norm_forward(const AddLayerNorm&, const AddLayerNormForward<T>&,   \
                                      std::int64_t, void*);                                 \
  template int add_layer_norm_backward(const AddLayerNorm&, const AddLayerNormBackward<T>&, \
                                       std::int64_t, float*, void*)
ATTUNE_INSTANTIATE(float);
ATTUNE_INSTANTIATE(BFloat16);
#undef ATTUNE_INSTANTIATE

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
