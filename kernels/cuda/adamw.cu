#include "kernels/adamw.h"

#include <cuda_runtime.h>

#include "kernels/cuda/functions.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/packs.h"
#include "kernels/cuda/reduce.h"

namespace attune::ATTUNE_CUDA_NAMESPACE {
namespace {

constexpr unsigned kThreads = 256;

// Every operation by itself, in adamw_cpu's order: the compiler must not fuse any.
__device__ __forceinline__ void update(const AdamWStep& step, float gradient_scale, float rate,
                                       float inverse_root, float gradient, float& value,
                                       float& first, float& second) {
  const float g = __fmul_rn(gradient, gradient_scale);
  first = __fadd_rn(first, __fmul_rn(step.one_minus_beta1, __fsub_rn(g, first)));
  second =
      __fadd_rn(__fmul_rn(step.beta2, second), __fmul_rn(__fmul_rn(step.one_minus_beta2, g), g));
  const float root = __fadd_rn(__fmul_rn(__fsqrt_rn(second), inverse_root), step.epsilon);
  value = __fsub_rn(__fmul_rn(value, step.keep), __fdiv_rn(__fmul_rn(rate, first), root));
}

// One pack of kPack elements a thread, counted from element 0 of the arenas, so that packs are
// aligned wherever a group begins. `packs`: they may be read as a whole.
__global__ void __launch_bounds__(kThreads)
    adamw_kernel(const AdamWStep* step_at, const GradientState* state, float* values,
                 float* gradients, float* first, float* second, BFloat16* working,
                 std::int64_t begin, std::int64_t end, bool packs) {
  const std::int64_t at =
      (begin / kPack + static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kPack;
  if (at >= end) return;
  const AdamWStep step = *step_at;
  const float scale = state ? state->scale : step.gradient_scale;
  const bool skip = state && state->found_inf;
  const float rate = __fdiv_rn(step.learning_rate, step.correction1);
  const float inverse_root = __fdiv_rn(1.f, step.correction2_root);
  if (packs && at >= begin && at + kPack <= end) {
    const float zero[kPack] = {};
    if (!skip) {
      float x[kPack], g[kPack], m[kPack], v[kPack];
      load(values + at, x);
      load(gradients + at, g);
      load(first + at, m);
      load(second + at, v);
#pragma unroll
      for (int i = 0; i < kPack; ++i)
        update(step, scale, rate, inverse_root, g[i], x[i], m[i], v[i]);
      store(values + at, x);
      store(first + at, m);
      store(second + at, v);
      if (working) store(working + at, x);
    }
    store(gradients + at, zero);
    return;
  }
  for (std::int64_t i = at < begin ? begin : at; i < at + kPack && i < end; ++i) {
    if (!skip) {
      update(step, scale, rate, inverse_root, gradients[i], values[i], first[i], second[i]);
      if (working) working[i] = narrow<BFloat16>(values[i]);
    }
    gradients[i] = 0;
  }
}

// partial[block] = the block's share of the sum of x^2.
__global__ void __launch_bounds__(kThreads)
    squares_kernel(const float* x, std::int64_t count, bool packs, double* partial) {
  __shared__ double sums[kMaxWarps];
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x,
                     stride = static_cast<std::int64_t>(gridDim.x) * kThreads;
  const std::int64_t whole = packs ? count / kPack * kPack : 0;
  double total = 0;
#pragma unroll 4
  for (std::int64_t at = index * kPack; at < whole; at += stride * kPack) {
    float v[kPack];
    load(x + at, v);
#pragma unroll
    for (int i = 0; i < kPack; ++i) total += static_cast<double>(v[i]) * v[i];
  }
  for (std::int64_t i = whole + index; i < count; i += stride)
    total += static_cast<double>(x[i]) * x[i];
  total = block_reduce<Sum>(total, 0.0, sums);
  if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

__global__ void __launch_bounds__(kThreads)
    state_kernel(const double* partial, int parts, const float* loss, float max_norm,
                 GradientState* state) {
  __shared__ double sums[kMaxWarps];
  double total = 0;
  for (int i = static_cast<int>(threadIdx.x); i < parts; i += kThreads) total += partial[i];
  total = block_reduce<Sum>(total, 0.0, sums);
  if (threadIdx.x != 0) return;
  const double norm = sqrt(total);
  const double factor = max_norm > 0 ? max_norm / (norm + 1e-6) : 1.0;
  const float value = loss ? *loss : 0.f;
  state->sum_of_squares = total;
  state->norm = static_cast<float>(norm);
  state->scale = static_cast<float>(factor < 1 ? factor : 1.0);
  state->loss = value;
  // Of what is not finite, the difference with itself is NaN.
  state->found_inf = total - total == 0 && value - value == 0 ? 0 : 1;
}

}  // namespace

int adamw(const AdamWStep* step, const GradientState* state, float* values, float* gradients,
          float* first, float* second, BFloat16* working, std::int64_t begin, std::int64_t end,
          void* stream) {
  if (begin == end) return cudaSuccess;
  if (begin < 0 || begin > end) return cudaErrorInvalidValue;
  const bool packs = packed(values, kPack) && packed(gradients, kPack) && packed(first, kPack) &&
                     packed(second, kPack) && packed(working, kPack);
  const std::int64_t count = divide_up<std::int64_t>(end, kPack) - begin / kPack;
  return launch(adamw_kernel, blocks_for(divide_up<std::int64_t>(count, kThreads)), kThreads,
                stream, step, state, values, gradients, first, second, working, begin, end, packs);
}

int gradient_state(const float* gradients, std::int64_t count, const float* loss, float max_norm,
                   double* workspace, GradientState* state, void* stream) {
  constexpr std::int64_t kPerBlock = 16 * kPack * kThreads;
  const std::int64_t wanted = divide_up(count, kPerBlock);
  const auto parts = static_cast<int>(wanted < kSquaresWorkspace ? wanted : kSquaresWorkspace);
  if (parts > 0) {
    const int error = launch(squares_kernel, static_cast<unsigned>(parts), kThreads, stream,
                             gradients, count, packed(gradients, kPack), workspace);
    if (error) return error;
  }
  return launch(state_kernel, 1u, kThreads, stream, workspace, parts, loss, max_norm, state);
}

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
