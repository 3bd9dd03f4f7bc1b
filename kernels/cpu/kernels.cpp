// Attention and dropout for one instruction set; kernels/CMakeLists.txt compiles this file once
// each.
//
// Shapes inside one work item: L tokens padded to Lp, head_dim D padded to Dp (multiples of kLanes,
// the padding zero), kBlock query rows at a time, so that the block of scores stays in the L2
// cache.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/small_gemm.h"

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

Item make_item(const AttentionProblem& problem, std::int64_t index) {
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

// [L, D] with a row stride to [L, Dp], zero padded.
void copy_rows(const Item& item, const float* from, long stride, float* to) {
  for (int i = 0; i < item.length; ++i) {
    float* row = to + static_cast<long>(i) * item.padded_width;
    std::copy_n(from + i * stride, item.width, row);
    std::fill(row + item.width, row + item.padded_width, 0.f);
  }
}

// [L, D] with a row stride to its transpose [D, Lp], zero padded.
void transpose(const Item& item, const float* from, long stride, float* to) {
  for (int d = 0; d < item.width; ++d) {
    float* row = to + static_cast<long>(d) * item.padded_length;
    for (int i = 0; i < item.length; ++i) row[i] = from[i * stride + d];
    std::fill(row + item.length, row + item.padded_length, 0.f);
  }
}

std::uint32_t row_key(const Dropout& dropout, const Item& item, int query) {
  return dropout_row_key(
      dropout.call_key, item.uid,
      static_cast<std::uint64_t>(item.head) << 32 | static_cast<std::uint64_t>(query));
}

Vec dropped(Vec x, std::uint32_t key, int column, const Dropout& dropout) {
  const VecUint hash = hash32(lane_numbers() + (key + static_cast<std::uint32_t>(column)));
  return hash >= dropout.threshold ? x * dropout.scale : Vec{};
}

// Turns a row of S / scale into softmax probabilities; returns its log-sum-exp.
float softmax_row(const Item& item, float scale, float* row) {
  std::fill(row + item.length, row + item.padded_length, -1e30f);
  Vec highest = load(row);
  for (int j = kLanes; j < item.padded_length; j += kLanes) {
    const Vec x = load(row + j);
    highest = x > highest ? x : highest;
  }
  const float top = max(highest);
  Vec total{};
  for (int j = 0; j < item.padded_length; j += kLanes) {
    const Vec e = exp((load(row + j) - top) * scale);
    total += e;
    store(row + j, e);
  }
  const float z = sum(total);
  for (int j = 0; j < item.padded_length; j += kLanes) store(row + j, load(row + j) * (1 / z));
  std::fill(row + item.length, row + item.padded_length, 0.f);
  return top * scale + std::log(z);
}

void attention_forward(const AttentionProblem& problem, std::int64_t index, float* out, float* lse,
                       AttentionWorkspace& workspace) {
  const Item item = make_item(problem, index);
  const int L = item.length, Lp = item.padded_length, D = item.width, Dp = item.padded_width;
  const long hidden = static_cast<long>(problem.heads) * D, stride = 3 * hidden;
  const float* q = problem.qkv + item.first_token * stride + static_cast<long>(item.head) * D;
  float* k_transposed = workspace.floats(static_cast<long>(D) * Lp + static_cast<long>(L) * Dp +
                                         static_cast<long>(kBlock) * (Lp + Dp));
  float* v = k_transposed + static_cast<long>(D) * Lp;
  float* p = v + static_cast<long>(L) * Dp;
  float* o = p + static_cast<long>(kBlock) * Lp;
  transpose(item, q + hidden, stride, k_transposed);
  copy_rows(item, q + 2 * hidden, stride, v);

  for (int begin = 0; begin < L; begin += kBlock) {
    const int rows = std::min(kBlock, L - begin);
    gemm<false>(rows, Lp, D, {q + begin * stride, stride, 1}, k_transposed, Lp, p, Lp);
    for (int r = 0; r < rows; ++r) {
      float* row = p + static_cast<long>(r) * Lp;
      lse[item.head * problem.tokens + item.first_token + begin + r] =
          softmax_row(item, problem.scale, row);
      if (problem.dropout.on()) {
        const std::uint32_t key = row_key(problem.dropout, item, begin + r);
        for (int j = 0; j < Lp; j += kLanes)
          store(row + j, dropped(load(row + j), key, j, problem.dropout));
      }
    }
    gemm<false>(rows, Dp, L, {p, Lp, 1}, v, Dp, o, Dp);
    for (int r = 0; r < rows; ++r)
      std::copy_n(o + static_cast<long>(r) * Dp, D,
                  out + (item.first_token + begin + r) * hidden + static_cast<long>(item.head) * D);
  }
}

// dV = dropout(P)^T dO;  dP = dropout'(dO V^T);  dS = P (dP - rowsum(dO out));  dQ = scale dS K;
// dK = scale dS^T Q. The row sum equals rowsum(P dP), with dropout too.
void attention_backward(const AttentionProblem& problem, std::int64_t index, const float* out,
                        const float* lse, const float* grad_out, float* grad_qkv,
                        AttentionWorkspace& workspace) {
  const Item item = make_item(problem, index);
  const int L = item.length, Lp = item.padded_length, D = item.width, Dp = item.padded_width;
  const long hidden = static_cast<long>(problem.heads) * D, stride = 3 * hidden;
  const long offset = item.first_token * stride + static_cast<long>(item.head) * D;
  const long matrix = static_cast<long>(L) * Dp, transposed = static_cast<long>(D) * Lp;
  const float* q_strided = problem.qkv + offset;
  const float* go_strided = grad_out + item.first_token * hidden + static_cast<long>(item.head) * D;
  const float* out_strided = out + item.first_token * hidden + static_cast<long>(item.head) * D;

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
  transpose(item, q_strided + hidden, stride, k_transposed);
  transpose(item, q_strided + 2 * hidden, stride, v_transposed);
  std::fill_n(dk, matrix, 0.f);
  std::fill_n(dv, matrix, 0.f);

  for (int begin = 0; begin < L; begin += kBlock) {
    const int rows = std::min(kBlock, L - begin);
    const float* q_block = q + static_cast<long>(begin) * Dp;
    const float* go_block = go + static_cast<long>(begin) * Dp;
    gemm<false>(rows, Lp, D, {q_block, Dp, 1}, k_transposed, Lp, p, Lp);
    gemm<false>(rows, Lp, D, {go_block, Dp, 1}, v_transposed, Lp, ds, Lp);
    for (int r = 0; r < rows; ++r) {
      const float row_lse = lse[item.head * problem.tokens + item.first_token + begin + r];
      const float* go_row = go_block + static_cast<long>(r) * Dp;
      const float* out_row = out_strided + (begin + r) * hidden;
      float delta = 0;
      for (int d = 0; d < D; ++d) delta += go_row[d] * out_row[d];
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
    for (int r = 0; r < rows; ++r)
      std::copy_n(dq + static_cast<long>(r) * Dp, D, grad_qkv + offset + (begin + r) * stride);
  }
  for (int i = 0; i < L; ++i) {
    std::copy_n(dk + static_cast<long>(i) * Dp, D, grad_qkv + offset + hidden + i * stride);
    std::copy_n(dv + static_cast<long>(i) * Dp, D, grad_qkv + offset + 2 * hidden + i * stride);
  }
}

void dropout_rows(const float* x, const std::int64_t* token_uid, const std::int32_t* positions,
                  float* y, std::int64_t begin, std::int64_t end, std::int64_t width,
                  const Dropout& dropout) {
  for (std::int64_t t = begin; t < end; ++t) {
    const std::uint32_t key =
        dropout_row_key(dropout.call_key, token_uid[t], static_cast<std::uint64_t>(positions[t]));
    std::int64_t c = 0;
    for (; c + kLanes <= width; c += kLanes)
      store(y + t * width + c, dropped(load(x + t * width + c), key, static_cast<int>(c), dropout));
    for (; c < width; ++c) {
      const bool keep = hash32(key + static_cast<std::uint32_t>(c)) >= dropout.threshold;
      y[t * width + c] = keep ? x[t * width + c] * dropout.scale : 0.f;
    }
  }
}

}  // namespace

extern const KernelTable kTable;
const KernelTable kTable{ATTUNE_ISA_NAME, attention_forward, attention_backward, dropout_rows};

}  // namespace attune::ATTUNE_ISA
