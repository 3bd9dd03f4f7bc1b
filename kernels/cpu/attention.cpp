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

struct Item {                                      // one sequence and key head
  int length, padded_length, width, padded_width;  // L, Lp, D, Dp
  std::int64_t first_token;
  int first_head, end_head, kv_head;  // the heads of the group that reads this key head
  std::int64_t uid;
};

template <class T>
Item make_item(const AttentionProblem<T>& problem, std::int64_t index) {
  const std::int64_t sequence = index / problem.kv_heads;
  const int group = problem.heads / problem.kv_heads;
  Item item{};
  item.kv_head = static_cast<int>(index % problem.kv_heads);
  item.first_head = item.kv_head * group;
  item.end_head = item.first_head + group;
  item.first_token = problem.cu_seqlens[sequence];
  item.length = static_cast<int>(problem.cu_seqlens[sequence + 1] - item.first_token);
  item.padded_length = padded(item.length);
  item.width = problem.head_dim;
  item.padded_width = padded(item.width);
  item.uid = problem.dropout.on() ? problem.sequence_uid[sequence] : 0;
  return item;
}

// Where a head's part of a row of qkv begins.
template <class T>
struct Columns {
  long key, value;
  Columns(const AttentionProblem<T>& problem, const Item& item)
      : key(static_cast<long>(problem.heads + item.kv_head) * problem.head_dim),
        value(key + static_cast<long>(problem.kv_heads) * problem.head_dim) {}
};

// The keys that the queries of one block see, widened to whole vectors: multiples of kLanes.
struct Keys {
  int first, last;
};

template <class T>
Keys keys_of_block(const AttentionProblem<T>& problem, const Item& item, int begin, int rows) {
  return {std::max(0, begin - problem.left) / kLanes * kLanes,
          padded(std::min(item.length, begin + rows + problem.right))};
}

// One row of scores: of the block's keys this query sees [begin, end).
struct Row {
  int query, begin, end;
  Keys keys;
  float* scores;
};

template <class T>
Row make_row(const AttentionProblem<T>& problem, const Item& item, Keys keys, int query,
             float* scores) {
  return {query, std::max(0, query - problem.left),
          std::min(item.length, query + problem.right + 1), keys, scores};
}

void fill_unseen(const Row& row, float* values, float value) {
  for (int j = row.keys.first; j < row.begin; ++j) values[j] = value;
  for (int j = row.end; j < row.keys.last; ++j) values[j] = value;
}

// Whether the query sees all keys that its block computes with; padding does not count, nobody
// reads it in backward.
bool sees_all(const Row& row, const Item& item) {
  return row.begin == row.keys.first && row.end == std::min(row.keys.last, item.length);
}

// Scores of products: with a bias it is added here, and the scale that is left to apply is 1.
template <class T>
float add_bias(const AttentionProblem<T>& problem, int head, const Row& row) {
  if (!problem.bias) return problem.scale;
  const float* bias = problem.bias + head * (2 * problem.reach + 1) + problem.reach - row.query;
#pragma omp simd
  for (int j = row.begin; j < row.end; ++j) row.scores[j] = row.scores[j] * problem.scale + bias[j];
  return 1;
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

std::uint32_t row_key(const Dropout& dropout, const Item& item, int head, int query) {
  if (!dropout.on()) return 0;
  return dropout_row_key(
      dropout.call_key(), item.uid,
      static_cast<std::uint64_t>(head) << 32 | static_cast<std::uint64_t>(query));
}

// Turns a row of S / scale into exp(S - max), whose sum is `total`; returns its log-sum-exp.
float exponentials(float scale, const Row& row, float& total) {
  float* const scores = row.scores;
  const int first = row.keys.first, last = row.keys.last;
  fill_unseen(row, scores, -1e30f);
  Vec highest = load(scores + first);
  for (int j = first + kLanes; j < last; j += kLanes) {
    const Vec x = load(scores + j);
    highest = x > highest ? x : highest;
  }
  const float top = max(highest);
  Vec sums{};
  for (int j = first; j < last; j += kLanes) {
    const Vec e = exp((load(scores + j) - top) * scale);
    sums += e;
    store(scores + j, e);
  }
  fill_unseen(row, scores, 0.f);
  total = sum(sums);
  return top * scale + std::log(total);
}

}  // namespace

template <class T>
void attention_forward(const AttentionProblem<T>& problem, std::int64_t index, T* out, float* lse,
                       AttentionWorkspace& workspace) {
  const Item item = make_item(problem, index);
  const Columns<T> columns(problem, item);
  const int L = item.length, Lp = item.padded_length, D = item.width, Dp = item.padded_width;
  const long hidden = static_cast<long>(problem.heads) * D, stride = problem.row_width();
  const T* rows_of_item = problem.qkv + item.first_token * stride;
  const long matrix = static_cast<long>(L) * Dp;
  float* k_transposed = workspace.floats(static_cast<long>(D) * Lp + 3 * matrix +
                                         static_cast<long>(kBlock) * (Lp + Dp));
  float* q = k_transposed + static_cast<long>(D) * Lp;
  float* k = q + matrix;
  float* v = k + matrix;
  float* p = v + matrix;
  float* o = p + static_cast<long>(kBlock) * Lp;
  copy_rows(item, rows_of_item + columns.key, stride, k);
  copy_rows(item, rows_of_item + columns.value, stride, v);
  transpose(item, k, k_transposed);

  for (int head = item.first_head; head < item.end_head; ++head) {
    copy_rows(item, rows_of_item + static_cast<long>(head) * D, stride, q);
    for (int begin = 0; begin < L; begin += kBlock) {
      const int rows = std::min(kBlock, L - begin);
      const Keys keys = keys_of_block(problem, item, begin, rows);
      float share[kBlock];
      gemm<false>(rows, keys.last - keys.first, D, {q + static_cast<long>(begin) * Dp, Dp, 1},
                  k_transposed + keys.first, Lp, p + keys.first, Lp);
      for (int r = 0; r < rows; ++r) {
        const Row row = make_row(problem, item, keys, begin + r, p + static_cast<long>(r) * Lp);
        const float scale = add_bias(problem, head, row);
        float total;
        lse[head * problem.tokens + item.first_token + begin + r] = exponentials(scale, row, total);
        share[r] = 1 / total;
        if (problem.dropout.on()) {
          const std::uint32_t key = row_key(problem.dropout, item, head, begin + r);
          for (int j = keys.first; j < keys.last; j += kLanes)
            store(row.scores + j, dropped(load(row.scores + j), key, j, problem.dropout));
        }
      }
      gemm<false>(rows, Dp, std::min(keys.last, L) - keys.first, {p + keys.first, Lp, 1},
                  v + static_cast<long>(keys.first) * Dp, Dp, o, Dp);
      // The softmax's division, on rows of D instead of L.
      for (int r = 0; r < rows; ++r)
        for (int d = 0; d < Dp; d += kLanes) {
          float* place = o + static_cast<long>(r) * Dp + d;
          store(place, load(place) * share[r]);
        }
      store_rows(item, o, rows,
                 out + (item.first_token + begin) * hidden + static_cast<long>(head) * D, hidden);
    }
  }
}

// dV = dropout(P)^T dO;  dP = dropout'(dO V^T);  dS = P (dP - rowsum(dO out));  dQ = scale dS K;
// dK = scale dS^T Q;  dbias = sums of dS along its diagonals. The row sum equals rowsum(P dP), with
// dropout too.
template <class T>
void attention_backward(const AttentionProblem<T>& problem, std::int64_t index, const T* out,
                        const float* lse, const T* grad_out, T* grad_qkv, float* grad_bias,
                        AttentionWorkspace& workspace) {
  const Item item = make_item(problem, index);
  const Columns<T> columns(problem, item);
  const int L = item.length, Lp = item.padded_length, D = item.width, Dp = item.padded_width;
  const long hidden = static_cast<long>(problem.heads) * D, stride = problem.row_width();
  const long matrix = static_cast<long>(L) * Dp, transposed = static_cast<long>(D) * Lp;
  const T* rows_of_item = problem.qkv + item.first_token * stride;
  T* grad_rows = grad_qkv + item.first_token * stride;

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
  copy_rows(item, rows_of_item + columns.key, stride, k);
  transpose(item, k, k_transposed);
  copy_rows(item, rows_of_item + columns.value, stride, dv);
  transpose(item, dv, v_transposed);
  std::fill_n(dk, matrix, 0.f);
  std::fill_n(dv, matrix, 0.f);  // it held V, for its transpose

  for (int head = item.first_head; head < item.end_head; ++head) {
    const long column = static_cast<long>(head) * D;
    const T* out_rows = out + item.first_token * hidden + column;
    copy_rows(item, rows_of_item + column, stride, q);
    copy_rows(item, grad_out + item.first_token * hidden + column, hidden, go);
    float* diagonals =
        grad_bias ? grad_bias + 2 * (head * problem.tokens + item.first_token) : nullptr;
    if (diagonals) std::fill_n(diagonals, 2 * L, 0.f);
    for (int begin = 0; begin < L; begin += kBlock) {
      const int rows = std::min(kBlock, L - begin);
      const Keys keys = keys_of_block(problem, item, begin, rows);
      const int width = keys.last - keys.first, seen = std::min(keys.last, L) - keys.first;
      const long first_row = static_cast<long>(keys.first) * Dp;
      const float* q_block = q + static_cast<long>(begin) * Dp;
      const float* go_block = go + static_cast<long>(begin) * Dp;
      gemm<false>(rows, width, D, {q_block, Dp, 1}, k_transposed + keys.first, Lp, p + keys.first,
                  Lp);
      gemm<false>(rows, width, D, {go_block, Dp, 1}, v_transposed + keys.first, Lp, ds + keys.first,
                  Lp);
      for (int r = 0; r < rows; ++r) {
        const float row_lse = lse[head * problem.tokens + item.first_token + begin + r];
        const float* go_row = go_block + static_cast<long>(r) * Dp;
        const T* out_row = out_rows + (begin + r) * hidden;
        float delta = 0;
#pragma omp simd reduction(+ : delta)
        for (int d = 0; d < D; ++d) delta += go_row[d] * widen(out_row[d]);
        float* p_row = p + static_cast<long>(r) * Lp;
        float* pd_row = p_dropped + static_cast<long>(r) * Lp;
        float* ds_row = ds + static_cast<long>(r) * Lp;
        const Row row = make_row(problem, item, keys, begin + r, p_row);
        const float scale = add_bias(problem, head, row);
        const bool all = sees_all(row, item);
        if (!all) fill_unseen(row, p_row, -1e30f);
        const std::uint32_t key = row_key(problem.dropout, item, head, begin + r);
        for (int j = keys.first; j < keys.last; j += kLanes) {
          const Vec prob = exp(load(p_row + j) * scale - row_lse);
          Vec dp = load(ds_row + j), kept = prob;
          if (problem.dropout.on()) {
            dp = dropped(dp, key, j, problem.dropout);
            kept = dropped(prob, key, j, problem.dropout);
          }
          store(pd_row + j, kept);
          store(ds_row + j, prob * (dp - delta) * problem.scale);
        }
        if (!all) {
          fill_unseen(row, pd_row, 0.f);
          fill_unseen(row, ds_row, 0.f);
        }
        if (diagonals)
          for (int j = row.begin; j < row.end; ++j) diagonals[j - row.query + L - 1] += ds_row[j];
      }
      gemm<false>(rows, Dp, seen, {ds + keys.first, Lp, 1}, k + first_row, Dp, dq, Dp);
      gemm<true>(seen, Dp, rows, {ds + keys.first, 1, Lp}, q_block, Dp, dk + first_row, Dp);
      gemm<true>(seen, Dp, rows, {p_dropped + keys.first, 1, Lp}, go_block, Dp, dv + first_row, Dp);
      store_rows(item, dq, rows, grad_rows + begin * stride + column, stride);
    }
    if (diagonals)
      for (int i = 0; i < 2 * L; ++i) diagonals[i] /= problem.scale;
  }
  store_rows(item, dk, L, grad_rows + columns.key, stride);
  store_rows(item, dv, L, grad_rows + columns.value, stride);
}

template void attention_forward(const AttentionProblem<float>&, std::int64_t, float*, float*,
                                AttentionWorkspace&);
template void attention_forward(const AttentionProblem<BFloat16>&, std::int64_t, BFloat16*, float*,
                                AttentionWorkspace&);
template void attention_backward(const AttentionProblem<float>&, std::int64_t, const float*,
                                 const float*, const float*, float*, float*, AttentionWorkspace&);
template void attention_backward(const AttentionProblem<BFloat16>&, std::int64_t, const BFloat16*,
                                 const float*, const BFloat16*, BFloat16*, float*,
                                 AttentionWorkspace&);

}  // namespace attune::ATTUNE_ISA
