// Self-attention over packed sequences, on the CPU, with counter dropout on the probabilities:
//
//   S = scale * Q K^T,  P = softmax(S) by row,  out = dropout(P) V     per sequence and head
//
// P is never kept: backward recomputes it from the log-sum-exp of each row (as FlashAttention, Dao
// 2022). T is float or BFloat16, widened on load; all sums are fp32. Every (sequence, head) pair is
// an independent work item, so any split over threads gives the same bits. Sources compiled for
// portable, AVX2 and AVX-512; the best that the processor has is taken at run time, and their
// results agree to rounding.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/bfloat16.h"
#include "kernels/counter_dropout.h"

namespace attune {

template <class T>
struct AttentionProblem {
  const T* qkv = nullptr;                    // [tokens, 3 * heads * head_dim]: all Q, all K, all V
  const std::int32_t* cu_seqlens = nullptr;  // [sequences + 1]
  const std::int64_t* sequence_uid = nullptr;  // [sequences]; read only when dropout is on
  std::int64_t sequences = 0, tokens = 0;
  int heads = 0, head_dim = 0;  // head_dim 1 .. 256
  float scale = 1;
  Dropout dropout;

  std::int64_t items() const { return sequences * heads; }  // item = sequence * heads + head
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

// grad_qkv [tokens, 3 * heads * head_dim]: this item's part is written, not added to.
template <class T>
void attention_backward_cpu(const AttentionProblem<T>& problem, std::int64_t item, const T* out,
                            const float* lse, const T* grad_out, T* grad_qkv,
                            AttentionWorkspace& workspace);

// "portable", "avx2" or "avx512"; set_kernel_isa is for tests and throws std::invalid_argument for
// one that the processor lacks.
const char* kernel_isa();
void set_kernel_isa(const char* name);

}  // namespace attune
