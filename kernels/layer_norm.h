// What stands between two sublayers of a transformer, in one pass over memory:
//
//   s = residual + dropout(x),   n = (s - mean(s)) / sqrt(var(s) + epsilon),   y = n * weight +
//   bias
//
// by row (Ba, Kiros, Hinton 2016; biased variance), and its gradient
//
//   h = grad_y * weight,   grad_s = (h - mean(h) - n * mean(h * n)) / sqrt(var(s) + epsilon)
//   grad_residual = grad_s,   grad_x = dropout'(grad_s)
//   grad_weight += sum over rows of grad_y * n,   grad_bias += sum over rows of grad_y
//
// y has two readers, the next linear and the next residual, so backward takes both gradients.
// T is the type of the linears, float or BFloat16; the residual stream is fp32.
//
// Where the norm stands before the sublayer (pre-LayerNorm), s itself is the next residual: `sum`
// and `grad_sum`. Null pointers say what is not wanted; what is not said to be nullable must be
// there.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/counter_dropout.h"

namespace attune {

struct AddLayerNorm {
  std::int64_t width = 0;
  float epsilon = 0;
  const float* weight = nullptr;            // [width]
  const float* bias = nullptr;              // [width]
  Dropout dropout;                          // of x
  const std::int64_t* token_uid = nullptr;  // [rows]; read only when dropout is on
  const std::int32_t* positions = nullptr;  // [rows]; likewise
};

// Rows [begin, end) of matrices [rows, width]; inverse_deviation [rows].
template <class T>
struct AddLayerNormForward {
  const T* x;
  const float* residual;     // null: zero
  float* y;                  // may be null on the device
  T* y_narrow;               // y once more as T; null: not written
  float* normalized;         // n; null: not kept
  float* inverse_deviation;  // 1 / sqrt(var(s) + epsilon); null: nothing is kept
  // On the device alone:
  T* normalized_narrow = nullptr;  // n as T instead of `normalized`: backward reads half the bytes
  float* sum = nullptr;            // s; null: not written. May be `residual`
};
template <class T>
void add_layer_norm_forward_cpu(const AddLayerNorm& norm, const AddLayerNormForward<T>& data,
                                std::int64_t begin, std::int64_t end);

template <class T>
struct AddLayerNormBackward {
  const float* grad_y;     // null: zero
  const T* grad_y_narrow;  // null: zero
  const float* normalized;
  const float* inverse_deviation;
  float* grad_residual;
  T* grad_x;           // null: not written
  float* grad_weight;  // [width], added to; on the device null: not wanted
  float* grad_bias;    // [width], added to; likewise
  // On the device alone:
  const T* normalized_narrow = nullptr;  // read where `normalized` is null
  const float* grad_sum = nullptr;       // added to grad_s; null: zero. May be grad_residual
};
template <class T>
void add_layer_norm_backward_cpu(const AddLayerNorm& norm, const AddLayerNormBackward<T>& data,
                                 std::int64_t begin, std::int64_t end);

// The same on device pointers, for all of [0, rows). `norm` is read on the host, what it points to
// on the device; its bias may be null: zero. width is 1 to kMaxNormWidth. The result of a row does
// not depend on the other rows; gradients of weight and bias are summed in an order given by
// `rows` alone: equal bits in every run and on every GPU. `workspace`: device memory, undefined
// contents, norm_workspace(rows, width) floats; null where grad_weight and grad_bias are.
// `stream` is a cudaStream_t. Returns a cudaError_t: of a launch, or cudaErrorInvalidValue.
inline constexpr std::int64_t kMaxNormWidth = 8192;
std::int64_t norm_workspace(std::int64_t rows, std::int64_t width);
template <class T>
int add_layer_norm_forward_cuda(const AddLayerNorm& norm, const AddLayerNormForward<T>& data,
                                std::int64_t rows, void* stream);
template <class T>
int add_layer_norm_backward_cuda(const AddLayerNorm& norm, const AddLayerNormBackward<T>& data,
                                 std::int64_t rows, float* workspace, void* stream);

}  // namespace attune
