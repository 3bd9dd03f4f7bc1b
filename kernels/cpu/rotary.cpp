#include <algorithm>

#include "kernels/cpu/isa_functions.h"

namespace attune::ATTUNE_ISA {
namespace {

// `second`: from the first to the second of a pair; `step`: from pair to pair.
template <class T>
void rotate_head(const T* x, T* y, const float* cos, const float* sin, float sign, int half,
                 int second, int step) {
#pragma omp simd
  for (int i = 0; i < half; ++i) {
    const float a = widen(x[i * step]), b = widen(x[i * step + second]);
    const float c = cos[i], s = sin[i] * sign;
    y[i * step] = narrow<T>(a * c - b * s);
    y[i * step + second] = narrow<T>(b * c + a * s);
  }
}

}  // namespace

template <class T>
void rotate(const Rotation& rotation, const T* x, T* y, std::int64_t begin, std::int64_t end) {
  const int half = rotation.dim / 2, width = rotation.head_dim;
  const float sign = rotation.back ? -1.f : 1.f;
  for (std::int64_t token = begin; token < end; ++token) {
    const float *cos = rotation.cos + token * half, *sin = rotation.sin + token * half;
    for (int head = 0; head < rotation.heads; ++head) {
      const std::int64_t offset = (token * rotation.heads + head) * width;
      const int turned = head < rotation.rotated ? rotation.dim : 0;
      if (turned > 0 && rotation.interleaved)
        rotate_head(x + offset, y + offset, cos, sin, sign, half, 1, 2);
      else if (turned > 0)
        rotate_head(x + offset, y + offset, cos, sin, sign, half, half, 1);
      if (y != x) std::copy(x + offset + turned, x + offset + width, y + offset + turned);
    }
  }
}

template void rotate(const Rotation&, const float*, float*, std::int64_t, std::int64_t);
template void rotate(const Rotation&, const BFloat16*, BFloat16*, std::int64_t, std::int64_t);

}  // namespace attune::ATTUNE_ISA
