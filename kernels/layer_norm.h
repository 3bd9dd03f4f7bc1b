// What stands between two sublayers of a transformer, in one pass over memory, on the CPU:
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
  const float* residual;  // null: zero
  float* y;
  T* y_narrow;               // y once more as T; null: not written
  float* normalized;         // n; null, with inverse_deviation: not kept
  float* inverse_deviation;  // 1 / sqrt(var(s) + epsilon)
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
  float* grad_weight;  // [width], added to
  float* grad_bias;    // [width], added to
};
template <class T>
void add_layer_norm_backward_cpu(const AddLayerNorm& norm, const AddLayerNormBackward<T>& data,
                                 std::int64_t begin, std::int64_t end);

}  // namespace attune
