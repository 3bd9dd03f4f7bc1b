// Counter dropout of a [tokens, width] matrix. Forward and backward are the same operation.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/counter_dropout.h"

namespace attune {

// y[t, c] = keep ? x[t, c] * dropout.scale : 0, for tokens [begin, end). x may equal y.
//   token_uid [tokens]  uid of the token's sequence;  positions [tokens]  its place there
void dropout_cpu(const float* x, const std::int64_t* token_uid, const std::int32_t* positions,
                 float* y, std::int64_t begin, std::int64_t end, std::int64_t width,
                 const Dropout& dropout);

// The same, bit for bit, for all of [0, tokens) on device pointers; T is float or BFloat16, which
// is widened, scaled and rounded. `stream` is a cudaStream_t. Returns a cudaError_t of the launch
// (0: success).
template <class T>
int dropout_cuda(const T* x, const std::int64_t* token_uid, const std::int32_t* positions, T* y,
                 std::int64_t tokens, std::int64_t width, const Dropout& dropout, void* stream);

}  // namespace attune
