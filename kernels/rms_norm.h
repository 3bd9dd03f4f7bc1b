// RMSNorm (Zhang & Sennrich 2019), on the CPU:
//
//   n = x / sqrt(mean(x^2) + epsilon),   y = n * (offset + weight)     by head of a row
//
// and its gradient, h = grad_y * (offset + weight):
//
//   grad_x = (h - n * mean(h * n)) / sqrt(mean(x^2) + epsilon)
//   grad_weight += sum over rows and heads of grad_y * n
//
// A row of x may hold more than what is normed: of queries, keys and values, some heads.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"

namespace attune {

struct RmsNorm {
  std::int64_t stride = 0;  // from row to row of x, y and their gradients
  int heads = 1;            // side by side from each row's begin
  int width = 0;            // of a head
  float epsilon = 0, offset = 0;
  const float* weight = nullptr;  // [width]
};

// Rows [begin, end). T is float or BFloat16, sums are fp32. y may be x.
template <class T>
void rms_norm_forward_cpu(const RmsNorm& norm, const T* x, T* y, std::int64_t begin,
                          std::int64_t end);

// grad_x may be grad_y. grad_weight [width] is added to.
template <class T>
void rms_norm_backward_cpu(const RmsNorm& norm, const T* x, const T* grad_y, T* grad_x,
                           float* grad_weight, std::int64_t begin, std::int64_t end);

}  // namespace attune
