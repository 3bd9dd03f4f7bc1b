#include <cmath>

#include "kernels/cpu/isa_functions.h"

namespace attune::ATTUNE_ISA {
namespace {

template <class T>
float inverse_rms(const RmsNorm& norm, const T* x) {
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int i = 0; i < norm.width; ++i) squares += widen(x[i]) * widen(x[i]);
  return 1 / std::sqrt(squares / static_cast<float>(norm.width) + norm.epsilon);
}

}  // namespace

template <class T>
void rms_norm_forward(const RmsNorm& norm, const T* x, T* y, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row)
    for (int head = 0; head < norm.heads; ++head) {
      const std::int64_t offset = row * norm.stride + static_cast<std::int64_t>(head) * norm.width;
      const T* from = x + offset;
      T* to = y + offset;
      const float inverse = inverse_rms(norm, from);
#pragma omp simd
      for (int i = 0; i < norm.width; ++i)
        to[i] = narrow<T>(widen(from[i]) * inverse * (norm.offset + norm.weight[i]));
    }
}

template <class T>
void rms_norm_backward(const RmsNorm& norm, const T* x, const T* grad_y, T* grad_x,
                       float* grad_weight, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row)
    for (int head = 0; head < norm.heads; ++head) {
      const std::int64_t offset = row * norm.stride + static_cast<std::int64_t>(head) * norm.width;
      const T *from = x + offset, *grad = grad_y + offset;
      T* to = grad_x + offset;
      const float inverse = inverse_rms(norm, from);
      float projection = 0;
#pragma omp simd reduction(+ : projection)
      for (int i = 0; i < norm.width; ++i) {
        const float n = widen(from[i]) * inverse, g = widen(grad[i]);
        grad_weight[i] += g * n;
        projection += g * (norm.offset + norm.weight[i]) * n;
      }
      const float along = projection / static_cast<float>(norm.width);
#pragma omp simd
      for (int i = 0; i < norm.width; ++i) {
        const float h = widen(grad[i]) * (norm.offset + norm.weight[i]);
        to[i] = narrow<T>((h - widen(from[i]) * inverse * along) * inverse);
      }
    }
}

template void rms_norm_forward(const RmsNorm&, const float*, float*, std::int64_t, std::int64_t);
template void rms_norm_forward(const RmsNorm&, const BFloat16*, BFloat16*, std::int64_t,
                               std::int64_t);
template void rms_norm_backward(const RmsNorm&, const float*, const float*, float*, float*,
                                std::int64_t, std::int64_t);
template void rms_norm_backward(const RmsNorm&, const BFloat16*, const BFloat16*, BFloat16*, float*,
                                std::int64_t, std::int64_t);

}  // namespace attune::ATTUNE_ISA
