// Softmax cross-entropy of a row of scores, with its gradient in place of the scores:
//
//   S = scale * x,   loss = logsumexp(S) - S[target],   x[j] <- factor * (softmax(S)[j] - [j =
//   target])
//
// so a matrix of scores is read once and nothing of its size is allocated.
#pragma once

#include <cstdint>

namespace attune {

// On the CPU. Rows [begin, end) of x [rows, columns]; the target of row i is column first_target +
// i. losses [rows].
void cross_entropy_cpu(float* x, std::int64_t columns, std::int64_t first_target, float scale,
                       float factor, float* losses, std::int64_t begin, std::int64_t end);

// A chunk of rows of a contrastive batch against all of its columns, fp32.
struct ContrastiveScores {
  float* x = nullptr;  // [rows, columns]
  std::int64_t rows = 0, columns = 0;
  // The target of row i is column first_target + i; first_target + rows <= columns.
  std::int64_t first_target = 0;
  float scale = 1;
  // Left out of the softmax, with gradient zero, but never the target:
  const std::uint8_t* left_out = nullptr;  // [rows, columns]: where not 0; null: none
  // Where the ids are equal (a duplicate of the target); null, both: none.
  const std::int64_t* row_ids = nullptr;     // [rows] id of the target
  const std::int64_t* column_ids = nullptr;  // [columns]
};

// Softmax over the row: losses [rows], and factor times the gradient in place of x. Every row is
// read once up to 16,384
// columns; beyond, a second time, from the cache. Row i does not depend on the other rows, nor do
// its bits on the split into chunks. `stream` is a cudaStream_t. Returns a cudaError_t: of the
// launch, or cudaErrorInvalidValue.
int contrastive_cross_entropy_cuda(const ContrastiveScores& scores, float factor, float* losses,
                                   void* stream);
void contrastive_cross_entropy_cpu(const ContrastiveScores& scores, float factor, float* losses);

// The symmetric loss takes two passes over all chunks, for which the scores are computed twice:
//   1. log_sum_exp: row_lse of the chunk's rows, and column_lse, which starts at -infinity, goes
//      from chunk to chunk (logaddexp) and is final after the last one
//   2. symmetric_cross_entropy:
//      loss_i  = row_share (row_lse_i - S_it) + column_share (column_lse_t - S_it),  t the target
//      gradient_ij = factor * (row_share (exp(S_ij - row_lse_i) - [j = t])
//                              + column_share [j < target_columns] (exp(S_ij - column_lse_j)
//                                                                   - [j = t]))
// Columns from target_columns on (hard negatives) are no one's target and have no loss of their
// own. What is left out is left out in both directions.
struct SymmetricShares {
  float row = 0.5f, column = 0.5f;
  std::int64_t target_columns = 0;
};
// row_lse [rows], column_lse [columns]; either may be null: not wanted.
int log_sum_exp_cuda(const ContrastiveScores& scores, float* row_lse, float* column_lse,
                     void* stream);
int symmetric_cross_entropy_cuda(const ContrastiveScores& scores, const SymmetricShares& shares,
                                 const float* row_lse, const float* column_lse, float factor,
                                 float* losses, void* stream);
void log_sum_exp_cpu(const ContrastiveScores& scores, float* row_lse, float* column_lse);
void symmetric_cross_entropy_cpu(const ContrastiveScores& scores, const SymmetricShares& shares,
                                 const float* row_lse, const float* column_lse, float factor,
                                 float* losses);

}  // namespace attune
