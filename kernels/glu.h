// Gated linear units (Shazeer 2020) on the CPU: of a row that holds two halves of `width`, one is
// activated and multiplied with the other,
//
//   y = f(g) u,   grad_g = grad_y f'(g) u,   grad_u = grad_y f(g)
//
// with f the erf GELU, its tanh approximation, or SiLU, x / (1 + e^-x).
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"

namespace attune {

enum class GluActivation : std::uint8_t { kGelu, kGeluTanh, kSilu };

struct Glu {
  GluActivation activation = GluActivation::kGelu;
  std::int64_t width = 0;       // of y; rows of z are twice as wide
  bool activated_first = true;  // the half that is activated
};

// Rows [begin, end) of z [rows, 2 * width] and y [rows, width]; T is float or BFloat16.
template <class T>
void glu_forward_cpu(const Glu& glu, const T* z, T* y, std::int64_t begin, std::int64_t end);

template <class T>
void glu_backward_cpu(const Glu& glu, const T* z, const T* grad_y, T* grad_z, std::int64_t begin,
                      std::int64_t end);

}  // namespace attune
