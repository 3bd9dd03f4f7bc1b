// Shapes inside one work item: L tokens padded to Lp, head_dim D padded to Dp (multiples of kLanes,
// the padding zero), kBlock query rows at a time, so that the block of scores stays in the L2
// cache.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/isa_functions.h"
#include "kernels/cpu/small_gemm.h"
#include "kernels/cpu/vector_dropout.h"

namespace attune::ATTUNE_ISA {
namespace {

constexpr int kBlock = 64;

int padded(int n) { return (n + kLanes - 1) / kLanes * kLanes; }

struct Item {                                      // one (sequence, head)
  int length, padded_length, width, padded_width;  // L, Lp, D, Dp
  std::int64_t first_token;
  int head;
  std::int64_t uid;
};

template <class T>
Item make_item(const AttentionProblem<T>& problem, std::int64_t index) {
  const std::int64_t sequence = index / problem.heads;
  Item item{};
  item.head = static_cast<int>(index % problem.heads);
  item.first_token = problem.cu_seqlens[sequence];
  item.length = static_cast<int>(problem.cu_seqlens[sequence + 1] - item.first_token);
  item.padded_length = padded(item.length);
  item.width = problem.head_dim;
  item.padded_width = padded(item.width);
  item.uid = problem.dropout.on() ? problem.sequence_uid[sequence] : 0;
  return item;
}

// [L, D] with a row stride to [L, Dp] in fp32, zero padded.
template <class T>
void copy_rows(const Item& item, const T* from, long stride, float* to) {
  for (int i = 0; i < item.length; ++i) {
    float* row = to + static_cast<long>(i) * item.padded_width;
    for (int d = 0; d < item.width; ++d) row[d] = widen(from[i * stride + d]);
    for (int d = item.width; d < item.padded_width; ++d) row[d] = 0;
  }
}

// `rows` of a [rows, Dp] matrix to rows of width D with a stride.
template <class T>
void store_rows(const Item& item, const float* from, int rows, T* to, long stride) {
  for (int i = 0; i < rows; ++i) {
    const float* row = from + static_cast<long>(i) * item.padded_width;
    for (int d = 0; d < item.width; ++d) to[i * stride + d] = narrow<T>(row[d]);
  }
}

// [L, Dp] to its transpose [D, Lp], zero padded. From the packed copy, because rows of qkv lie
// a multiple of the L1 cache's way apart; in squares that stay in it.
void transpose(const Item& item, const float* from, float* to) {
  for (int begin = 0; begin < item.padded_length; begin += kLanes) {
    const int rows = std::min(kLanes, item.length - begin);
    for (int d = 0; d < item.width; ++d) {
      float* row = to + static_cast<long>(d) * item.padded_length + begin;
      for (int i = 0; i < rows; ++i)
        row[i] = from[static_cast<long>(begin + i) * item.padded_width + d];
      for (int i = rows; i < kLanes; ++i) row[i] = 0;
    }
  }
}

std::uint32_t row_key(const Dropout& dropout, const Item& item, int query) {
  return dropout_row_key(
      dropout.call_key, item.uid,
      static_cast<std::uint64_t>(item.head) << 32 | static_cast<std::uint64_t>(query));
}

// Turns a row of S / scale into exp(S - max), whose sum is `total`; returns its log-sum-exp.
float exponentials(const Item& item, float scale, float* row, float& total) {
  std::fill(row + item.length, row + item.padded_length, -1e30f);
  Vec highest = load(row);
  for (int j = kLanes; j < item.padded_length; j += kLanes) {
    const Vec x = load(row + j);
    highest = x > highest ? x : highest;
  }
  const float top = max(highest);
  Vec sums{};
  for (int j = 0; j < item.padded_length; j += kLanes) {
    const Vec e = exp((load(row + j) - top) * scale);
    sums += e;
    store(row + j, e);
  }
  std::fill(row + item.length, row + item.padded_length, 0.f);
  total = sum(sums);
  return top * scale + std::log(total);
}

}  // namespace

template <class T>
void attention_forward(const AttentionProblem<T>& problem, std::int64_t index, T* out, float* lse,
                       AttentionWorkspace& workspace) {
  const Item item = make_item(problem, index);
  const int L = item.length, Lp = item.padded_length, D = item.width, Dp = item.padded_width;
  const long hidden = static_cast<long>(problem.heads) * D, stride = 3 * hidden;
  const T* q_strided = problem.qkv + item.first_token * stride + static_cast<long>(item.head) * D;
  const long matrix = static_cast<long>(L) * Dp;
  float* k_transposed = workspace.floats(static_cast<long>(D) * Lp + 3 * matrix +
                                         static_cast<long>(kBlock) * (Lp + Dp));
  float* q = k_transposed + static_cast<long>(D) * Lp;
  float* k = q + matrix;
  float* v = k + matrix;
  float* p = v + matrix;
  float* o = p + static_cast<long>(kBlock) * Lp;
  copy_rows(item, q_strided, stride, q);
  copy_rows(item, q_strided + hidden, stride, k);
  copy_rows(item, q_strided + 2 * hidden, stride, v);
  transpose(item, k, k_transposed);

  for (int begin = 0; begin < L; begin += kBlock) {
    const int rows = std::min(kBlock, L - begin);
    float share[kBlock];
    gemm<false>(rows, Lp, D, {q + static_cast<long>(begin) * Dp, Dp, 1}, k_transposed, Lp, p, Lp);
    for (int r = 0; r < rows; ++r) {
      float* row = p + static_cast<long>(r) * Lp;
      float total;
      lse[item.head * problem.tokens + item.first_token + begin + r] =
          exponentials(item, problem.scale, row, total);
      share[r] = 1 / total;
      if (problem.dropout.on()) {
        const std::uint32_t key = row_key(problem.dropout, item, begin + r);
        for (int j = 0; j < Lp; j += kLanes)
          store(row + j, dropped(load(row + j), key, j, problem.dropout));
      }
    }
    gemm<false>(rows, Dp, L, {p, Lp, 1}, v, Dp, o, Dp);
    // The softmax's division, on rows of D instead of L.
    for (int r = 0; r < rows; ++r)
      for (int d = 0; d < Dp; d += kLanes) {
        float* place = o + static_cast<long>(r) * Dp + d;
        store(place, load(place) * share[r]);
      }
    store_rows(item, o, rows,
               out + (item.first_token + begin) * hidden + static_cast<long>(item.head) * D,
               hidden);
  }
}

// dV = dropout(P)^T dO;  dP = dropout'(dO V^T);  dS = P (dP - rowsum(dO out));  dQ = scale dS K;
// dK = scale dS^T Q. The row sum equals rowsum(P dP), with dropout too.
template <class T>
void attention_backward(const AttentionProblem<T>& problem, std::int64_t index, const T* out,
                        const float* lse, const T* grad_out, T* grad_qkv,
                        AttentionWorkspace& workspace) {
  const Item item = make_item(problem, index);
  const int L = item.length, Lp = item.padded_length, D = item.width, Dp = item.padded_width;
  const long hidden = static_cast<long>(problem.heads) * D, stride = 3 * hidden;
  const long offset = item.first_token * stride + static_cast<long>(item.head) * D;
  const long matrix = static_cast<long>(L) * Dp, transposed = static_cast<long>(D) * Lp;
  const T* q_strided = problem.qkv + offset;
  const T* go_strided = grad_out + item.first_token * hidden + static_cast<long>(item.head) * D;
  const T* out_strided = out + item.first_token * hidden + static_cast<long>(item.head) * D;

  float* next =
      workspace.floats(2 * transposed + 5 * matrix + static_cast<long>(kBlock) * (3 * Lp + Dp));
  const auto take = [&next](long count) {
    float* p = next;
    next += count;
    return p;
  };
  float* k_transposed = take(transposed);
  float* v_transposed = take(transposed);
  float* q = take(matrix);
  float* k = take(matrix);
  float* go = take(matrix);
  float* dk = take(matrix);
  float* dv = take(matrix);
  float* p = take(static_cast<long>(kBlock) * Lp);
  float* p_dropped = take(static_cast<long>(kBlock) * Lp);
  float* ds = take(static_cast<long>(kBlock) * Lp);
  float* dq = take(static_cast<long>(kBlock) * Dp);
  copy_rows(item, q_strided, stride, q);
  copy_rows(item, q_strided + hidden, stride, k);
  copy_rows(item, go_strided, hidden, go);
  transpose(item, k, k_transposed);
  copy_rows(item, q_strided + 2 * hidden, stride, dv);
  transpose(item, dv, v_transposed);
  std::fill_n(dk, matrix, 0.f);
  std::fill_n(dv, matrix, 0.f);  // it held V, for its transpose

  for (int begin = 0; begin < L; begin += kBlock) {
    const int rows = std::min(kBlock, L - begin);
    const float* q_block = q + static_cast<long>(begin) * Dp;
    const float* go_block = go + static_cast<long>(begin) * Dp;
    gemm<false>(rows, Lp, D, {q_block, Dp, 1}, k_transposed, Lp, p, Lp);
    gemm<false>(rows, Lp, D, {go_block, Dp, 1}, v_transposed, Lp, ds, Lp);
    for (int r = 0; r < rows; ++r) {
      const float row_lse = lse[item.head * problem.tokens + item.first_token + begin + r];
      const float* go_row = go_block + static_cast<long>(r) * Dp;
      const T* out_row = out_strided + (begin + r) * hidden;
      float delta = 0;
#pragma omp simd reduction(+ : delta)
      for (int d = 0; d < D; ++d) delta += go_row[d] * widen(out_row[d]);
      float* p_row = p + static_cast<long>(r) * Lp;
      float* pd_row = p_dropped + static_cast<long>(r) * Lp;
      float* ds_row = ds + static_cast<long>(r) * Lp;
      const std::uint32_t key =
          problem.dropout.on() ? row_key(problem.dropout, item, begin + r) : 0;
      for (int j = 0; j < Lp; j += kLanes) {
        const Vec prob = exp(load(p_row + j) * problem.scale - row_lse);
        Vec dp = load(ds_row + j), kept = prob;
        if (problem.dropout.on()) {
          dp = dropped(dp, key, j, problem.dropout);
          kept = dropped(prob, key, j, problem.dropout);
        }
        store(pd_row + j, kept);
        store(ds_row + j, prob * (dp - delta) * problem.scale);
      }
    }
    gemm<false>(rows, Dp, L, {ds, Lp, 1}, k, Dp, dq, Dp);
    gemm<true>(L, Dp, rows, {ds, 1, Lp}, q_block, Dp, dk, Dp);
    gemm<true>(L, Dp, rows, {p_dropped, 1, Lp}, go_block, Dp, dv, Dp);
    store_rows(item, dq, rows, grad_qkv + offset + begin * stride, stride);
  }
  store_rows(item, dk, L, grad_qkv + offset + hidden, stride);
  store_rows(item, dv, L, grad_qkv + offset + 2 * hidden, stride);
}

template void attention_forward(const AttentionProblem<float>&, std::int64_t, float*, float*,
                                AttentionWorkspace&);
template void attention_forward(const AttentionProblem<BFloat16>&, std::int64_t, BFloat16*, float*,
                                AttentionWorkspace&);
template void attention_backward(const AttentionProblem<float>&, std::int64_t, const float*,
                                 const float*, const float*, float*, AttentionWorkspace&);
template void attention_backward(const AttentionProblem<BFloat16>&, std::int64_t, const BFloat16*,
                                 const float*, const BFloat16*, BFloat16*, AttentionWorkspace&);

}  // namespace attune::ATTUNE_ISA
