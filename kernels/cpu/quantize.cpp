#include "kernels/cpu/isa_functions.h"

namespace attune::ATTUNE_ISA {

template <class T>
void quantize_rows(const T* x, std::int64_t width, std::uint8_t* q, float* scales,
                   std::int64_t begin, std::int64_t end) {
  // Added to a float below 2^22, it leaves the nearest integer in the low bits.
  constexpr float kRound = 12582912.f + kQuantizedZero;
  for (std::int64_t i = begin; i < end; ++i) {
    const T* row = x + i * width;
    float largest = 0, poison = 0;  // x * 0 is NaN where x is not finite
#pragma omp simd reduction(max : largest) reduction(+ : poison)
    for (std::int64_t j = 0; j < width; ++j) {
      const float value = widen(row[j]), magnitude = value < 0 ? -value : value;
      largest = magnitude > largest ? magnitude : largest;
      poison += value * 0.f;
    }
    scales[i] = largest / 127 + poison;
    const float inverse = largest > 0 ? 127 / largest : 0;
    std::uint8_t* to = q + i * width;
#pragma omp simd
    for (std::int64_t j = 0; j < width; ++j)
      to[j] = static_cast<std::uint8_t>(bits_of(widen(row[j]) * inverse + kRound));
  }
}

template <class T>
void rescale_rows(T* y, std::int64_t width, const float* scales, const float* bias,
                  std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    T* row = y + i * width;
    const float scale = scales[i];
#pragma omp simd
    for (std::int64_t j = 0; j < width; ++j)
      row[j] = narrow<T>(widen(row[j]) * scale + (bias ? bias[j] : 0.f));
  }
}

template void quantize_rows(const float*, std::int64_t, std::uint8_t*, float*, std::int64_t,
                            std::int64_t);
template void quantize_rows(const BFloat16*, std::int64_t, std::uint8_t*, float*, std::int64_t,
                            std::int64_t);
template void rescale_rows(float*, std::int64_t, const float*, const float*, std::int64_t,
                           std::int64_t);
template void rescale_rows(BFloat16*, std::int64_t, const float*, const float*, std::int64_t,
                           std::int64_t);

}  // namespace attune::ATTUNE_ISA
