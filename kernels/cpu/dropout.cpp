#include "kernels/cpu/isa_functions.h"
#include "kernels/cpu/vector_dropout.h"

namespace attune::ATTUNE_ISA {

void dropout(const float* x, const std::int64_t* token_uid, const std::int32_t* positions, float* y,
             std::int64_t begin, std::int64_t end, std::int64_t width, const Dropout& mask) {
  for (std::int64_t t = begin; t < end; ++t) {
    const std::uint32_t key =
        dropout_row_key(mask.call_key(), token_uid[t], static_cast<std::uint64_t>(positions[t]));
    const float* from = x + t * width;
    float* to = y + t * width;
#pragma omp simd
    for (std::int64_t c = 0; c < width; ++c)
      to[c] = dropped(from[c], key, static_cast<std::uint32_t>(c), mask);
  }
}

}  // namespace attune::ATTUNE_ISA
