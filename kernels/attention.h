// Self-attention over packed sequences, on the CPU, with counter dropout on the probabilities:
//
//   S = scale * Q K^T + bias,  P = softmax(S) by row,  out = dropout(P) V   per sequence and head
//
// Query i sees the keys j of its sequence with -left <= j - i <= right: right 0 is causal, left
// and right 64 a window of 129; keys outside are not computed with, but for those that share a
// block with others. With fewer key heads than heads (grouped queries, Ainslie et al. 2023)
// neighbouring heads share one. The bias depends on head and j - i alone (Raffel et al. 2020).
//
// P is never kept: backward recomputes it from the log-sum-exp of each row (as FlashAttention, Dao
// 2022). T is float or BFloat16, widened on load; all sums are fp32. Every (sequence, key head)
// pair is an independent work item, so any split over threads gives the same bits. Sources compiled
// for portable, AVX2 and AVX-512; the best that the processor has is taken at run time, and their
// results agree to rounding.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/bfloat16.h"
#include "kernels/counter_dropout.h"

namespace attune {

template <class T>
struct AttentionProblem {
  static constexpr int kUnlimited = 1 << 30;

  const T* qkv = nullptr;  // [tokens, (heads + 2 * kv_heads) * head_dim]: all Q, all K, all V
  const std::int32_t* cu_seqlens = nullptr;    // [sequences + 1]
  const std::int64_t* sequence_uid = nullptr;  // [sequences]; read only when dropout is on
  std::int64_t sequences = 0, tokens = 0;
  int heads = 0, kv_heads = 0, head_dim = 0;  // kv_heads divides heads; head_dim 1 .. 256
  float scale = 1;
  Dropout dropout;
  int left = kUnlimited, right = kUnlimited;  // keys seen before and behind the query's own place
  // [heads, 2 * reach + 1], of key - query from -reach to reach; null: none. No sequence is longer
  // than reach + 1.
  const float* bias = nullptr;
  std::int64_t reach = 0;

  std::int64_t row_width() const {
    return static_cast<std::int64_t>(heads + 2 * kv_heads) * head_dim;
  }
  std::int64_t items() const { return sequences * kv_heads; }  // sequence * kv_heads + key head
};

// Scratch memory of one thread; grows to the longest sequence seen.
class AttentionWorkspace {
 public:
  float* floats(
      std::int64_t count);  // 64-byte aligned, contents undefined, valid until the next call

 private:
  struct Free {
    void operator()(float* p) const;
  };
  std::unique_ptr<float, Free> memory_;
  std::int64_t capacity_ = 0;
};

// out [tokens, heads * head_dim]; lse [heads, tokens]: log sum exp of each row of S.
template <class T>
void attention_forward_cpu(const AttentionProblem<T>& problem, std::int64_t item, T* out,
                           float* lse, AttentionWorkspace& workspace);

// grad_qkv as qkv: this item's part is written, not added to. grad_bias [heads, 2 * tokens], or
// null: likewise; of a sequence of L tokens from `first` on, its values [2 * first, 2 * first +
// 2 * L - 1) are sums over the pairs with key - query from -(L - 1) to L - 1.
template <class T>
void attention_backward_cpu(const AttentionProblem<T>& problem, std::int64_t item, const T* out,
                            const float* lse, const T* grad_out, T* grad_qkv, float* grad_bias,
                            AttentionWorkspace& workspace);

// "portable", "avx2" or "avx512"; set_kernel_isa is for tests and throws std::invalid_argument for
// one that the processor lacks.
const char* kernel_isa();
void set_kernel_isa(const char* name);

}  // namespace attune
