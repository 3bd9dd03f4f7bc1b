// AdamW (Loshchilov & Hutter 2019) in one pass over the arenas. With g the gradient:
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

#include "kernels/bfloat16.h"

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

// What a step knows of its gradients, in device memory: nothing of it needs the host.
struct GradientState {
  double sum_of_squares;
  float norm;              // sqrt(sum_of_squares)
  float scale;             // min(1, max_norm / (norm + 1e-6)); 1 where max_norm is 0
  float loss;              // as given; 0 where none is
  std::int32_t found_inf;  // 1 where norm or loss is not finite
};

// The update on device pointers, elements [begin, end): bit for bit adamw_cpu's (every operation
// is rounded by itself, square root and division correctly). `step` and `state` lie in device
// memory, so that a CUDA graph may hold the launch and the numbers change between replays.
//   state     the gradient is multiplied by state->scale instead of step->gradient_scale, and where
//             state->found_inf is set nothing but the gradients is written (they become zero);
//             null: step->gradient_scale
//   working   the new values once more in bf16, at the same places; null: not written
// `stream` is a cudaStream_t. Returns a cudaError_t.
int adamw_cuda(const AdamWStep* step, const GradientState* state, float* values, float* gradients,
               float* first, float* second, BFloat16* working, std::int64_t begin, std::int64_t end,
               void* stream);

// state from gradients [count] and loss (device, one fp32; null: none). `workspace`: device memory,
// kSquaresWorkspace doubles. Summed in fp64, in an order given by `count` alone.
inline constexpr std::int64_t kSquaresWorkspace = 1024;
int gradient_state_cuda(const float* gradients, std::int64_t count, const float* loss,
                        float max_norm, double* workspace, GradientState* state, void* stream);

}  // namespace attune
