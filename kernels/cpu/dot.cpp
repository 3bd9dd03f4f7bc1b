#include "kernels/cpu/isa_functions.h"

namespace attune::ATTUNE_ISA {

float dot(const float* a, const float* b, std::int64_t n) {
  Vec sums[4] = {};  // four, so that the additions need not wait for each other
  std::int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes)
    for (int j = 0; j < 4; ++j) sums[j] += load(a + i + j * kLanes) * load(b + i + j * kLanes);
  for (; i + kLanes <= n; i += kLanes) sums[0] += load(a + i) * load(b + i);
  float rest = 0;
  for (; i < n; ++i) rest += a[i] * b[i];
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3])) + rest;
}

}  // namespace attune::ATTUNE_ISA
