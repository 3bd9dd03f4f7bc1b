#include "kernels/cross_entropy.h"

#include <cuda_runtime.h>

#include "kernels/cuda/functions.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/packs.h"
#include "kernels/cuda/reduce.h"

namespace attune::ATTUNE_CUDA_NAMESPACE {
namespace {

constexpr unsigned kMostThreads = 1024;
constexpr int kPerThread = 16;  // columns that a thread can keep
constexpr float kNothing = -INFINITY;

// S of one row; what is left out is -infinity.
struct ScoreRow {
  const float* x;
  const std::uint8_t* left_out;
  const std::int64_t* column_ids;
  std::int64_t id, target;
  float scale;

  __device__ __forceinline__ ScoreRow(const ContrastiveScores& s, std::int64_t row)
      : x(s.x + row * s.columns),
        left_out(s.left_out ? s.left_out + row * s.columns : nullptr),
        column_ids(s.row_ids ? s.column_ids : nullptr),
        id(s.row_ids ? s.row_ids[row] : 0),
        target(s.first_target + row),
        scale(s.scale) {}

  template <int kCount>
  __device__ __forceinline__ void load(std::int64_t column, float (&s)[kCount]) const {
    ATTUNE_CUDA_NAMESPACE::load(x + column, s);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      s[i] *= scale;
      const std::int64_t j = column + i;
      if (j == target) continue;
      if ((left_out && left_out[j] != 0) || (column_ids && column_ids[j] == id)) s[i] = kNothing;
    }
  }
};

// log(sum of exp), one term after the other: exp(largest) * total. Terms of -infinity count
// nothing.
struct RunningSum {
  float largest, total;

  __device__ __forceinline__ static RunningSum nothing() { return {kNothing, 0}; }
  __device__ __forceinline__ void add(float s) {
    if (s == kNothing) return;
    const float e = expf(-fabsf(s - largest));
    total = s > largest ? total * e + 1 : total + e;
    if (s > largest) largest = s;
  }
  // What `total` is when `top` is the largest.
  __device__ __forceinline__ float relative_to(float top) const {
    return largest == kNothing && total == 0 ? 0.f : total * expf(largest - top);
  }
};

// One block a row, which stays in registers: it is read before any of its gradient is written.
template <int kCount, int kPer>
__global__ void __launch_bounds__(kMostThreads)
    kept_row_kernel(ContrastiveScores scores, float factor, float* losses) {
  __shared__ float shared[2][kMaxWarps];
  const std::int64_t row = blockIdx.x;
  const ScoreRow from(scores, row);
  const auto column_of = [&](int p) {
    return (static_cast<std::int64_t>(threadIdx.x) + p * blockDim.x) * kCount;
  };
  float s[kPer][kCount];
  float top = kNothing, target_score = 0;
  bool has_target = false;
#pragma unroll
  for (int p = 0; p < kPer; ++p) {
    const std::int64_t column = column_of(p);
    if (column >= scores.columns) continue;
    from.load(column, s[p]);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      top = Largest::combine(top, s[p][i]);
      if (column + i != from.target) continue;
      target_score = s[p][i];
      has_target = true;
    }
  }
  top = block_reduce<Largest>(top, kNothing, shared[0]);
  float total = 0;
#pragma unroll
  for (int p = 0; p < kPer; ++p) {
    if (column_of(p) >= scores.columns) continue;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      s[p][i] = expf(s[p][i] - top);
      total += s[p][i];
    }
  }
  total = block_reduce<Sum>(total, 0.f, shared[1]);
  const float share = factor / total;
#pragma unroll
  for (int p = 0; p < kPer; ++p) {
    const std::int64_t column = column_of(p);
    if (column >= scores.columns) continue;
#pragma unroll
    for (int i = 0; i < kCount; ++i)
      s[p][i] = s[p][i] * share - (column + i == from.target ? factor : 0.f);
    store(scores.x + row * scores.columns + column, s[p]);
  }
  if (has_target) losses[row] = top - target_score + logf(total);
}

// log-sum-exp of a row, at every thread. The thread that meets the target sets the last two.
template <int kCount>
__device__ __forceinline__ float row_log_sum_exp(const ScoreRow& from, std::int64_t columns,
                                                 float (&shared)[2][kMaxWarps], float& target_score,
                                                 bool& has_target) {
  RunningSum sum = RunningSum::nothing();
#pragma unroll 2
  for (std::int64_t column = threadIdx.x * kCount; column < columns;
       column += blockDim.x * kCount) {
    float s[kCount];
    from.load(column, s);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      sum.add(s[i]);
      if (column + i != from.target) continue;
      target_score = s[i];
      has_target = true;
    }
  }
  const float top = block_reduce<Largest>(sum.largest, kNothing, shared[0]);
  const float total = block_reduce<Sum>(sum.relative_to(top), 0.f, shared[1]);
  return top + logf(total);
}

// Puts gradient_of(column, s) in place of all scores of a row.
template <int kCount, class Gradient>
__device__ __forceinline__ void replace_row(const ScoreRow& from, const ContrastiveScores& scores,
                                            std::int64_t row, const Gradient& gradient_of) {
  for (std::int64_t column = threadIdx.x * kCount; column < scores.columns;
       column += blockDim.x * kCount) {
    float s[kCount];
    from.load(column, s);
#pragma unroll
    for (int i = 0; i < kCount; ++i) s[i] = gradient_of(column + i, s[i]);
    store(scores.x + row * scores.columns + column, s);
  }
}

// One block a row, read twice.
template <int kCount>
__global__ void __launch_bounds__(kMostThreads)
    long_row_kernel(ContrastiveScores scores, float factor, float* losses) {
  __shared__ float shared[2][kMaxWarps];
  const std::int64_t row = blockIdx.x;
  const ScoreRow from(scores, row);
  float target_score = 0;
  bool has_target = false;
  const float lse = row_log_sum_exp<kCount>(from, scores.columns, shared, target_score, has_target);
  if (has_target) losses[row] = lse - target_score;
  replace_row<kCount>(from, scores, row, [&](std::int64_t j, float s) {
    return factor * (expf(s - lse) - (j == from.target ? 1.f : 0.f));
  });
}

template <int kCount>
__global__ void __launch_bounds__(kMostThreads)
    row_lse_kernel(ContrastiveScores scores, float* row_lse) {
  __shared__ float shared[2][kMaxWarps];
  const ScoreRow from(scores, blockIdx.x);
  float target_score;
  bool has_target;
  const float lse = row_log_sum_exp<kCount>(from, scores.columns, shared, target_score, has_target);
  if (threadIdx.x == 0) row_lse[blockIdx.x] = lse;
}

constexpr int kColumnWarps = 8;

// Lanes take columns, warps rows in turn; the warps' sums are put together in order.
template <int kCount>
__global__ void __launch_bounds__(kColumnWarps* kWarp)
    column_lse_kernel(ContrastiveScores scores, float* column_lse) {
  __shared__ RunningSum sums[kColumnWarps][kWarp * kCount];
  const unsigned warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kWarp * kCount;
  const std::int64_t column = first + lane * kCount;
  RunningSum mine[kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i) mine[i] = RunningSum::nothing();
  if (column < scores.columns) {
#pragma unroll 4
    for (std::int64_t row = warp; row < scores.rows; row += kColumnWarps) {
      float s[kCount];
      ScoreRow(scores, row).load(column, s);
#pragma unroll
      for (int i = 0; i < kCount; ++i) mine[i].add(s[i]);
    }
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i) sums[warp][lane * kCount + i] = mine[i];
  __syncthreads();
  for (unsigned c = threadIdx.x; c < kWarp * kCount; c += blockDim.x) {
    if (first + c >= scores.columns) continue;
    float& lse = column_lse[first + c];
    float top = lse;
    for (int w = 0; w < kColumnWarps; ++w) top = Largest::combine(top, sums[w][c].largest);
    float total = lse == kNothing ? 0.f : expf(lse - top);
    for (int w = 0; w < kColumnWarps; ++w) total += sums[w][c].relative_to(top);
    lse = top + logf(total);
  }
}

template <int kCount>
__global__ void __launch_bounds__(kMostThreads)
    symmetric_kernel(ContrastiveScores scores, SymmetricShares shares, const float* row_lse,
                     const float* column_lse, float factor, float* losses) {
  const std::int64_t row = blockIdx.x;
  const ScoreRow from(scores, row);
  const float lse = row_lse[row];
  replace_row<kCount>(from, scores, row, [&](std::int64_t j, float s) {
    const float hit = j == from.target ? 1.f : 0.f;
    float g = shares.row * (expf(s - lse) - hit);
    if (j < shares.target_columns) {
      const float of_column = column_lse[j];
      g += shares.column * (s == kNothing ? 0.f : expf(s - of_column) - hit);
      if (j == from.target) losses[row] = shares.row * (lse - s) + shares.column * (of_column - s);
    }
    return factor * g;
  });
}

bool valid(const ContrastiveScores& s) {
  return s.rows >= 0 && s.columns >= 0 && s.first_target >= 0 &&
         s.first_target + s.rows <= s.columns && !s.row_ids == !s.column_ids;
}

bool in_packs(const ContrastiveScores& s) { return packed(s.x, s.columns); }

// Of a block whose threads take `per` columns each, as far as there are threads.
unsigned threads_for(std::int64_t columns, int per) {
  const std::int64_t threads =
      divide_up<std::int64_t>(divide_up<std::int64_t>(columns, per), kWarp) * kWarp;
  return threads < kMostThreads ? static_cast<unsigned>(threads) : kMostThreads;
}

}  // namespace

int contrastive_cross_entropy(const ContrastiveScores& scores, float factor, float* losses,
                              void* stream) {
  if (!valid(scores)) return cudaErrorInvalidValue;
  if (scores.rows == 0) return cudaSuccess;
  const auto run = [&](auto* kernel, int per) {
    return launch(kernel, blocks_for(scores.rows), threads_for(scores.columns, per), stream, scores,
                  factor, losses);
  };
  const bool packs = in_packs(scores), kept = scores.columns <= kMostThreads * kPerThread;
  if (!packs)
    return kept ? run(kept_row_kernel<1, kPerThread>, kPerThread) : run(long_row_kernel<1>, 1);
  if (!kept) return run(long_row_kernel<kPack>, kPack);
  if (scores.columns <= kMostThreads) return run(kept_row_kernel<kPack, 1>, kPack);
  return run(kept_row_kernel<kPack, kPerThread / kPack>, kPerThread);
}

int log_sum_exp(const ContrastiveScores& scores, float* row_lse, float* column_lse, void* stream) {
  if (!valid(scores)) return cudaErrorInvalidValue;
  if (scores.rows == 0) return cudaSuccess;
  const int count = in_packs(scores) ? kPack : 1;
  if (row_lse) {
    const int error =
        launch(count == 1 ? row_lse_kernel<1> : row_lse_kernel<kPack>, blocks_for(scores.rows),
               threads_for(scores.columns, count), stream, scores, row_lse);
    if (error) return error;
  }
  if (!column_lse) return cudaSuccess;
  return launch(count == 1 ? column_lse_kernel<1> : column_lse_kernel<kPack>,
                blocks_for(divide_up<std::int64_t>(scores.columns, kWarp * count)),
                kColumnWarps * kWarp, stream, scores, column_lse);
}

int symmetric_cross_entropy(const ContrastiveScores& scores, const SymmetricShares& shares,
                            const float* row_lse, const float* column_lse, float factor,
                            float* losses, void* stream) {
  if (!valid(scores) || shares.target_columns > scores.columns ||
      scores.first_target + scores.rows > shares.target_columns)
    return cudaErrorInvalidValue;
  if (scores.rows == 0) return cudaSuccess;
  const int count = in_packs(scores) ? kPack : 1;
  return launch(count == 1 ? symmetric_kernel<1> : symmetric_kernel<kPack>, blocks_for(scores.rows),
                threads_for(scores.columns, count), stream, scores, shares, row_lse, column_lse,
                factor, losses);
}

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
