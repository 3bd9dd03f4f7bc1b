// The dot product of two vectors, for comparing many of them in no order: on the CPU.
#pragma once

#include <cstdint>

namespace attune {

// sum_i a_i b_i in fp32, in the instruction set's own order: two sets differ in the last bits.
float dot_cpu(const float* a, const float* b, std::int64_t n);

}  // namespace attune
