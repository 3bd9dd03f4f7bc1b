#include <cmath>

#include "kernels/cpu/isa_functions.h"
#include "kernels/cpu/vector_dropout.h"

namespace attune::ATTUNE_ISA {
namespace {

std::uint32_t row_key(const AddLayerNorm& norm, std::int64_t row) {
  if (!norm.dropout.on()) return 0;
  return dropout_row_key(norm.dropout.call_key(), norm.token_uid[row],
                         static_cast<std::uint64_t>(norm.positions[row]));
}

// s = residual + dropout(x), written to y; returns its sum.
template <class T>
float add_row(const AddLayerNorm& norm, const T* x, const float* residual, std::uint32_t key,
              float* s) {
  float total = 0;
  if (norm.dropout.on()) {
#pragma omp simd reduction(+ : total)
    for (std::int64_t c = 0; c < norm.width; ++c) {
      s[c] = dropped(widen(x[c]), key, static_cast<std::uint32_t>(c), norm.dropout) +
             (residual ? residual[c] : 0.f);
      total += s[c];
    }
  } else {
#pragma omp simd reduction(+ : total)
    for (std::int64_t c = 0; c < norm.width; ++c) {
      s[c] = widen(x[c]) + (residual ? residual[c] : 0.f);
      total += s[c];
    }
  }
  return total;
}

}  // namespace

template <class T>
void add_layer_norm_forward(const AddLayerNorm& norm, const AddLayerNormForward<T>& data,
                            std::int64_t begin, std::int64_t end) {
  const std::int64_t width = norm.width;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t offset = row * width;
    float* y = data.y + offset;
    const float mean =
        add_row(norm, data.x + offset, data.residual ? data.residual + offset : nullptr,
                row_key(norm, row), y) /
        static_cast<float>(width);
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (std::int64_t c = 0; c < width; ++c) squares += (y[c] - mean) * (y[c] - mean);
    const float inverse = 1 / std::sqrt(squares / static_cast<float>(width) + norm.epsilon);
    if (data.normalized) {
      data.inverse_deviation[row] = inverse;
      float* n = data.normalized + offset;
#pragma omp simd
      for (std::int64_t c = 0; c < width; ++c) {
        n[c] = (y[c] - mean) * inverse;
        y[c] = n[c] * norm.weight[c] + norm.bias[c];
      }
    } else {
#pragma omp simd
      for (std::int64_t c = 0; c < width; ++c)
        y[c] = (y[c] - mean) * inverse * norm.weight[c] + norm.bias[c];
    }
    if (data.y_narrow) {
      T* narrowed = data.y_narrow + offset;
#pragma omp simd
      for (std::int64_t c = 0; c < width; ++c) narrowed[c] = narrow<T>(y[c]);
    }
  }
}

template <class T>
void add_layer_norm_backward(const AddLayerNorm& norm, const AddLayerNormBackward<T>& data,
                             std::int64_t begin, std::int64_t end) {
  const std::int64_t width = norm.width;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t offset = row * width;
    const float* wide = data.grad_y ? data.grad_y + offset : nullptr;
    const T* narrowed = data.grad_y_narrow ? data.grad_y_narrow + offset : nullptr;
    const float* n = data.normalized + offset;
    float* h = data.grad_residual + offset;  // until it is known in full
    float sum = 0, projection = 0;
#pragma omp simd reduction(+ : sum, projection)
    for (std::int64_t c = 0; c < width; ++c) {
      const float g = (wide ? wide[c] : 0.f) + (narrowed ? widen(narrowed[c]) : 0.f);
      data.grad_weight[c] += g * n[c];
      data.grad_bias[c] += g;
      h[c] = g * norm.weight[c];
      sum += h[c];
      projection += h[c] * n[c];
    }
    const float mean = sum / static_cast<float>(width);
    const float along = projection / static_cast<float>(width);
    const float inverse = data.inverse_deviation[row];
#pragma omp simd
    for (std::int64_t c = 0; c < width; ++c) h[c] = (h[c] - mean - n[c] * along) * inverse;
    if (!data.grad_x) continue;
    T* grad_x = data.grad_x + offset;
    if (norm.dropout.on()) {
      const std::uint32_t key = row_key(norm, row);
#pragma omp simd
      for (std::int64_t c = 0; c < width; ++c)
        grad_x[c] = narrow<T>(dropped(h[c], key, static_cast<std::uint32_t>(c), norm.dropout));
    } else {
#pragma omp simd
      for (std::int64_t c = 0; c < width; ++c) grad_x[c] = narrow<T>(h[c]);
    }
  }
}

template void add_layer_norm_forward(const AddLayerNorm&, const AddLayerNormForward<float>&,
                                     std::int64_t, std::int64_t);
template void add_layer_norm_forward(const AddLayerNorm&, const AddLayerNormForward<BFloat16>&,
                                     std::int64_t, std::int64_t);
template void add_layer_norm_backward(const AddLayerNorm&, const AddLayerNormBackward<float>&,
                                      std::int64_t, std::int64_t);
template void add_layer_norm_backward(const AddLayerNorm&, const AddLayerNormBackward<BFloat16>&,
                                      std::int64_t, std::int64_t);

}  // namespace attune::ATTUNE_ISA
