// Linears in int8, for serving on the processor alone: weights are rounded to int8 with one scale
// for each output, activations with one for each row (kernels/quantize.h); between them everything
// stays bf16. Twice as fast as bf16 with AVX512-VNNI, at a loss of quality that
// benchmarks/peers/encode.py states.
#pragma once

#include "models/linear.h"

namespace attune {

// Whether this processor multiplies bytes exactly: with AVX512-VNNI or AVX-VNNI. Others would let
// sums of two products overflow.
bool has_int8_products();

// Sets `packed` and `scales` from the weight. Only where has_int8_products().
void quantize_weight(Linear& layer);

// x W^T + b of such a layer; x [n, in] bf16, the result [n, out] bf16. No gradient.
at::Tensor quantized_linear(const at::Tensor& x, const Linear& layer);

}  // namespace attune
