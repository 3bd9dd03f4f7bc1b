// AdamW (Loshchilov & Hutter 2019) in one pass over the arenas, on the CPU. With g the gradient:
//
//   g <- gradient_scale * g,   value <- value * (1 - learning_rate * decay)
//   first <- first + (1 - beta1)(g - first),   second <- beta2 second + (1 - beta2) g^2
//   value <- value - rate * first / (sqrt(second / (1 - beta2^t)) + epsilon)
//   with rate = learning_rate / (1 - beta1^t)
//
// and the gradient is set to zero for the next step. Rounded where torch's fused AdamW rounds: a
// step changes a weight by a few units in its last place, so that what is lost in one place adds
// up.
#pragma once

#include <cstdint>

namespace attune {

struct AdamWStep {
  float learning_rate, gradient_scale;
  float keep;  // 1 - learning_rate * decay
  float beta1, beta2, epsilon;
  // 1 - beta of the exact betas: taken from 0.999 in fp32 it would be off by 1e-5.
  float one_minus_beta1, one_minus_beta2;
  float correction1;       // 1 - beta1^t
  float correction2_root;  // sqrt(1 - beta2^t)
};

void adamw_cpu(const AdamWStep& step, float* values, float* gradients, float* first, float* second,
               std::int64_t begin, std::int64_t end);

// Sum of x^2 over [begin, end), in fp64: an fp32 sum over 20 million squares is off by a
// thousandth.
double sum_of_squares_cpu(const float* x, std::int64_t begin, std::int64_t end);

}  // namespace attune
