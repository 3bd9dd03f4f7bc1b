#include "kernels/cpu/gelu_math.h"
#include "kernels/cpu/isa_functions.h"

namespace attune::ATTUNE_ISA {
namespace {

struct Activated {
  float value, slope;
};

template <GluActivation kActivation>
inline __attribute__((always_inline)) Activated activated(float x) {
  if constexpr (kActivation == GluActivation::kGelu) {
    const float phi = normal_distribution(x);
    return {x * phi, slope(x, phi)};
  } else if constexpr (kActivation == GluActivation::kSilu) {
    const float e = exp(-absolute(x)), small = e / (1 + e);
    const float sigmoid = x < 0 ? small : 1 - small;
    return {x * sigmoid, sigmoid * (1 + x * (1 - sigmoid))};
  } else {
    constexpr float kRoot = 0.797884561f, kCubic = 0.044715f;  // sqrt(2 / pi)
    const float inner = kRoot * (x + kCubic * x * x * x);
    const float e = exp(-2 * absolute(inner)), size = (1 - e) / (1 + e);
    const float tanh = inner < 0 ? -size : size;
    return {0.5f * x * (1 + tanh),
            0.5f * (1 + tanh) + 0.5f * x * (1 - tanh * tanh) * kRoot * (1 + 3 * kCubic * x * x)};
  }
}

template <GluActivation kActivation, class T>
void forward_row(const T* g, const T* u, T* y, std::int64_t width) {
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i)
    y[i] = narrow<T>(activated<kActivation>(widen(g[i])).value * widen(u[i]));
}

template <GluActivation kActivation, class T>
void backward_row(const T* g, const T* u, const T* grad_y, T* grad_g, T* grad_u,
                  std::int64_t width) {
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i) {
    const Activated f = activated<kActivation>(widen(g[i]));
    const float grad = widen(grad_y[i]);
    grad_g[i] = narrow<T>(grad * f.slope * widen(u[i]));
    grad_u[i] = narrow<T>(grad * f.value);
  }
}

// Calls body with the activation as a constant.
template <class Body>
void with_activation(GluActivation activation, const Body& body) {
  switch (activation) {
    case GluActivation::kGelu:
      return body.template operator()<GluActivation::kGelu>();
    case GluActivation::kGeluTanh:
      return body.template operator()<GluActivation::kGeluTanh>();
    case GluActivation::kSilu:
      return body.template operator()<GluActivation::kSilu>();
  }
}

}  // namespace

template <class T>
void glu_forward(const Glu& glu, const T* z, T* y, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = glu.width, g = glu.activated_first ? 0 : width, u = width - g;
  with_activation(glu.activation, [&]<GluActivation kActivation>() {
    for (std::int64_t row = begin; row < end; ++row)
      forward_row<kActivation>(z + 2 * row * width + g, z + 2 * row * width + u, y + row * width,
                               width);
  });
}

template <class T>
void glu_backward(const Glu& glu, const T* z, const T* grad_y, T* grad_z, std::int64_t begin,
                  std::int64_t end) {
  const std::int64_t width = glu.width, g = glu.activated_first ? 0 : width, u = width - g;
  with_activation(glu.activation, [&]<GluActivation kActivation>() {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t at = 2 * row * width;
      backward_row<kActivation>(z + at + g, z + at + u, grad_y + row * width, grad_z + at + g,
                                grad_z + at + u, width);
    }
  });
}

template void glu_forward(const Glu&, const float*, float*, std::int64_t, std::int64_t);
template void glu_forward(const Glu&, const BFloat16*, BFloat16*, std::int64_t, std::int64_t);
template void glu_backward(const Glu&, const float*, const float*, float*, std::int64_t,
                           std::int64_t);
template void glu_backward(const Glu&, const BFloat16*, const BFloat16*, BFloat16*, std::int64_t,
                           std::int64_t);

}  // namespace attune::ATTUNE_ISA
