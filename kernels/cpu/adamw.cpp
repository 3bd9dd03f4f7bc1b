#include <cmath>

#include "kernels/cpu/isa_functions.h"

namespace attune::ATTUNE_ISA {

void adamw(const AdamWStep& step, float* values, float* gradients, float* first, float* second,
           std::int64_t begin, std::int64_t end) {
  const float rate = step.learning_rate / step.correction1;
  const float inverse_root = 1 / step.correction2_root;
#pragma omp simd
  for (std::int64_t i = begin; i < end; ++i) {
    const float g = gradients[i] * step.gradient_scale;
    const float m = first[i] + step.one_minus_beta1 * (g - first[i]);
    const float v = step.beta2 * second[i] + step.one_minus_beta2 * g * g;
    first[i] = m;
    second[i] = v;
    const float decayed = values[i] * step.keep;
    values[i] = decayed - rate * m / (std::sqrt(v) * inverse_root + step.epsilon);
    gradients[i] = 0;
  }
}

double sum_of_squares(const float* x, std::int64_t begin, std::int64_t end) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = begin; i < end; ++i) total += static_cast<double>(x[i]) * x[i];
  return total;
}

}  // namespace attune::ATTUNE_ISA
