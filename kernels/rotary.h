// Rotary position embedding (Su et al. 2021) of packed queries and keys, on the CPU. The first
// `dim` numbers of a head are pairs (a, b), each turned by an angle of its own:
//
//   a' = a cos - b sin,   b' = b cos + a sin
//
// pair i is (i, i + dim / 2), or interleaved (2 i, 2 i + 1). The gradient is the turn back.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"

namespace attune {

struct Rotation {
  int heads = 0;    // of a row of x, all of them: queries, keys and values
  int rotated = 0;  // the first so many of them; the others are copied
  int head_dim = 0;
  int dim = 0;  // even, at most head_dim
  bool interleaved = false;
  const float* cos = nullptr;  // [tokens, dim / 2]
  const float* sin = nullptr;
  bool back = false;  // turn back instead
};

// Tokens [begin, end) of x and y [tokens, heads * head_dim]; T is float or BFloat16, the sums are
// fp32. y may be x.
template <class T>
void rotate_cpu(const Rotation& rotation, const T* x, T* y, std::int64_t begin, std::int64_t end);

}  // namespace attune
