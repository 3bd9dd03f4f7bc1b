// Softmax cross-entropy of a row of scores, with its gradient in place of the scores, on the CPU:
//
//   S = scale * x,   loss = logsumexp(S) - S[target],   x[j] <- factor * (softmax(S)[j] - [j =
//   target])
//
// so a matrix of scores is read once and nothing of its size is allocated.
#pragma once

#include <cstdint>

namespace attune {

// Rows [begin, end) of x [rows, columns]; the target of row i is column i. losses [rows].
void cross_entropy_cpu(float* x, std::int64_t columns, float scale, float factor, float* losses,
                       std::int64_t begin, std::int64_t end);

}  // namespace attune
