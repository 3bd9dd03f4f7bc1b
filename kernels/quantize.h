// int8 products for serving, on the CPU: what goes before and after the integer product.
//
//   scale_i = max_j |x_ij| / 127,   q_ij = round(x_ij / scale_i) + kQuantizedZero
//   y_ij = scale_i sum_k (q_ik - kQuantizedZero) w_jk + b_j
//
// One scale a row, so that a text's vector does not depend on the texts embedded with it (a scale
// of the whole tensor, as ONNX Runtime takes it, makes it so, and rounds more coarsely). The sum
// with the weight's own scales w is oneDNN's (models/quantized_linear.h).
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"

namespace attune {

// Where 0 lies in an unsigned byte: the processors' product takes unsigned by signed bytes.
inline constexpr int kQuantizedZero = 128;

// Rows [begin, end) of x [n, width] to q [n, width] and scales [n]. A row that holds NaN or
// infinity has scale NaN, so that it cannot become numbers unseen. T is float or BFloat16.
template <class T>
void quantize_rows_cpu(const T* x, std::int64_t width, std::uint8_t* q, float* scales,
                       std::int64_t begin, std::int64_t end);

// y_ij <- scales_i y_ij + bias_j for rows [begin, end) of y [n, width]; bias may be null: none.
template <class T>
void rescale_rows_cpu(T* y, std::int64_t width, const float* scales, const float* bias,
                      std::int64_t begin, std::int64_t end);

}  // namespace attune
