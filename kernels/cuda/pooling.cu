#include "kernels/pooling.h"

#include <cuda_runtime.h>

#include "kernels/cuda/functions.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/packs.h"
#include "kernels/cuda/reduce.h"

namespace attune::ATTUNE_CUDA_NAMESPACE {
namespace {

constexpr int kWarps = 8;
constexpr float kLeastNorm = 1e-12f;

// What both directions need to know of a sequence; all threads of the block make it together.
struct Sequence {
  std::int32_t begin, end;     // tokens that are looked at
  const std::uint8_t* pooled;  // null: all of them count
  float share;                 // a token's share in a mean; 1 for the other kinds

  __device__ Sequence(const PackedPooling& p, std::int64_t index, float* shared)
      : begin(p.cu_seqlens[index]), end(p.cu_seqlens[index + 1]), pooled(p.pooled), share(1) {
    if (p.kind == PoolingKind::kCls || p.kind == PoolingKind::kLast) {
      if (p.kind == PoolingKind::kCls && begin < end) end = begin + 1;
      if (p.kind == PoolingKind::kLast && begin < end) begin = end - 1;
      pooled = nullptr;
    } else if (p.kind != PoolingKind::kMax) {
      float count = static_cast<float>(end - begin);
      if (pooled) {
        count = 0;
        for (std::int64_t t = begin + threadIdx.x; t < end; t += blockDim.x)
          count += pooled[t] != 0 ? 1.f : 0.f;
        count = block_reduce<Sum>(count, 0.f, shared);
      }
      if (count < 1e-9f) count = 1e-9f;
      share = 1 / (p.kind == PoolingKind::kMean ? count : sqrtf(count));
    }
  }
  __device__ __forceinline__ bool counts(std::int64_t token) const {
    return !pooled || pooled[token] != 0;
  }
};

// A value and the token it is from (-1: none yet). NaN is larger than numbers, so that it goes on.
struct Candidate {
  float value;
  std::int32_t token;

  __device__ __forceinline__ void offer(float x, std::int32_t from) {
    if (from < 0) return;
    const bool larger = x > value || (x != x && value == value);
    const bool same = x == value || (x != x && value != value);
    if (token >= 0 && !larger && !(same && from < token)) return;
    value = x;
    token = from;
  }
};

// One block a sequence: warps take its tokens in turn, lanes packs of columns; warp 0 puts the
// warps' results together in order, and knows the whole vector.
template <class T, int kCount>
__global__ void __launch_bounds__(kWarps* kWarp)
    pool_forward_kernel(PackedPooling pooling, const T* x, float* out, float* inverse_norm,
                        std::int32_t* largest) {
  __shared__ float counted[kMaxWarps];
  __shared__ Candidate results[kWarps][kWarp * kCount];
  const std::int64_t index = blockIdx.x, width = pooling.width;
  const Sequence sequence(pooling, index, counted);
  const bool maximum = pooling.kind == PoolingKind::kMax;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  float* vector = out + index * pooling.out_stride;
  float squares = 0;
  for (std::int64_t first = 0; first < width; first += kWarp * kCount) {
    const std::int64_t column = first + lane * kCount;
    Candidate best[kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i) best[i] = {0, -1};
    if (column < width) {
#pragma unroll 4
      for (std::int32_t t = sequence.begin + warp; t < sequence.end; t += kWarps) {
        if (!sequence.counts(t)) continue;
        float value[kCount];
        load(x + t * width + column, value);
#pragma unroll
        for (int i = 0; i < kCount; ++i) {
          if (maximum)
            best[i].offer(value[i], t);
          else
            best[i].value += value[i];
        }
      }
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) results[warp][lane * kCount + i] = best[i];
    __syncthreads();
    if (warp == 0 && column < width) {
      float value[kCount];
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        for (int w = 1; w < kWarps; ++w) {
          const Candidate& other = results[w][lane * kCount + i];
          if (maximum)
            best[i].offer(other.value, other.token);
          else
            best[i].value += other.value;
        }
        value[i] = best[i].value * sequence.share;
        squares += value[i] * value[i];
        if (maximum) largest[index * width + column + i] = best[i].token;
      }
      store(vector + column, value);
    }
    __syncthreads();
  }
  if (!pooling.normalize || warp != 0) return;
  const float norm = sqrtf(warp_reduce<Sum>(squares));
  const float inverse = 1 / (norm < kLeastNorm ? kLeastNorm : norm);
  if (inverse_norm && lane == 0) inverse_norm[index] = inverse;
  for (std::int64_t column = lane * kCount; column < width; column += kWarp * kCount) {
    float value[kCount];
    load(vector + column, value);
#pragma unroll
    for (int i = 0; i < kCount; ++i) value[i] *= inverse;
    store(vector + column, value);
  }
}

// One block a sequence, then `gridDim.x - sequences` for the rows of no sequence.
template <class T, int kCount>
__global__ void __launch_bounds__(kWarps* kWarp)
    pool_backward_kernel(PackedPooling pooling, const float* grad_out, const float* out,
                         const float* inverse_norm, const std::int32_t* largest, T* grad_x) {
  __shared__ float counted[kMaxWarps], products[kMaxWarps];
  const std::int64_t index = blockIdx.x, width = pooling.width;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const float zero[kCount] = {};
  if (index >= pooling.sequences) {
    const std::int64_t block = index - pooling.sequences, blocks = gridDim.x - pooling.sequences;
    for (std::int64_t t = pooling.cu_seqlens[pooling.sequences] + block * kWarps + warp;
         t < pooling.tokens; t += blocks * kWarps)
      for (std::int64_t column = lane * kCount; column < width; column += kWarp * kCount)
        store(grad_x + t * width + column, zero);
    return;
  }
  const Sequence sequence(pooling, index, counted);
  const std::int32_t begin = pooling.cu_seqlens[index], end = pooling.cu_seqlens[index + 1];
  const float* grad = grad_out + index * pooling.out_stride;
  const float* unit = out + index * pooling.out_stride;
  float along = 0, inverse = 1;
  if (pooling.normalize) {
    inverse = inverse_norm[index];
    float product = 0;
    for (std::int64_t c = threadIdx.x; c < width; c += blockDim.x) product += grad[c] * unit[c];
    product = block_reduce<Sum>(product, 0.f, products);
    // At the clamp the divisor is a constant.
    if (inverse < 1 / kLeastNorm) along = product;
  }
  for (std::int64_t column = lane * kCount; column < width; column += kWarp * kCount) {
    float of_vector[kCount];
    load(grad + column, of_vector);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (pooling.normalize) of_vector[i] = (of_vector[i] - unit[column + i] * along) * inverse;
      of_vector[i] *= sequence.share;
    }
    std::int32_t source[kCount] = {};
    if (pooling.kind == PoolingKind::kMax) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) source[i] = largest[index * width + column + i];
    }
    for (std::int32_t t = begin + warp; t < end; t += kWarps) {
      const bool counts = t >= sequence.begin && t < sequence.end && sequence.counts(t);
      float value[kCount];
#pragma unroll
      for (int i = 0; i < kCount; ++i)
        value[i] =
            counts && (pooling.kind != PoolingKind::kMax || source[i] == t) ? of_vector[i] : 0.f;
      store(grad_x + t * width + column, value);
    }
  }
}

bool valid(const PackedPooling& p) {
  return p.sequences >= 0 && p.tokens >= 0 && p.width >= 0 && p.out_stride >= p.width;
}

}  // namespace

template <class T>
int pool_forward(const PackedPooling& pooling, const T* x, float* out, float* inverse_norm,
                 std::int32_t* largest, void* stream) {
  if (!valid(pooling) || (pooling.kind == PoolingKind::kMax && !largest))
    return cudaErrorInvalidValue;
  if (pooling.sequences == 0 || pooling.width == 0) return cudaSuccess;
  const bool packs =
      packed(x, pooling.width) && packed(out, pooling.out_stride) && pooling.width % kPack == 0;
  return launch(packs ? pool_forward_kernel<T, kPack> : pool_forward_kernel<T, 1>,
                blocks_for(pooling.sequences), kWarps * kWarp, stream, pooling, x, out,
                inverse_norm, largest);
}

template <class T>
int pool_backward(const PackedPooling& pooling, const float* grad_out, const float* out,
                  const float* inverse_norm, const std::int32_t* largest, T* grad_x, void* stream) {
  if (!valid(pooling) || (pooling.kind == PoolingKind::kMax && !largest) ||
      (pooling.normalize && (!out || !inverse_norm)))
    return cudaErrorInvalidValue;
  if (pooling.tokens == 0 || pooling.width == 0) return cudaSuccess;
  const bool packs = packed(grad_x, pooling.width) && packed(grad_out, pooling.out_stride);
  constexpr std::int64_t kRowsPerBlock = 32 * kWarps, kMostBlocks = 128;
  const std::int64_t wanted = divide_up(pooling.tokens, kRowsPerBlock);
  const std::int64_t of_rest = wanted < kMostBlocks ? wanted : kMostBlocks;
  return launch(packs ? pool_backward_kernel<T, kPack> : pool_backward_kernel<T, 1>,
                blocks_for(pooling.sequences + of_rest), kWarps * kWarp, stream, pooling, grad_out,
                out, inverse_norm, largest, grad_x);
}

#define ATTUNE_INSTANTIATE(T)                                                                      \
  template int pool_forward(const PackedPooling&, const T*, float*, float*, std::int32_t*, void*); \
  template int pool_backward(const PackedPooling&, const float*, const float*, const float*,       \
                             const std::int32_t*, T*, void*)
ATTUNE_INSTANTIATE(float);
ATTUNE_INSTANTIATE(BFloat16);
#undef ATTUNE_INSTANTIATE

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
