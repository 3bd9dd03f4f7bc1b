// LayerNorm of a residual sum (kernels/layer_norm.h gives the formula), differentiable.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/counter_dropout.h"
#include "models/packed_tokens.h"

namespace attune {

struct LayerNorm {
  at::Tensor weight, bias;  // [width] fp32
  double epsilon = 0;
};

// The stream between sublayers, [tokens, width]: fp32 for the next residual sum, and the same
// numbers in the type of the linears for the next of these.
struct Stream {
  at::Tensor residual, input;
};

// LayerNorm(residual + dropout(x)); x fp32 or bf16, `residual` fp32 or undefined for none. One pass
// over memory each way.
Stream add_layer_norm(const at::Tensor& x, const at::Tensor& residual, const LayerNorm& norm,
                      const PackedTokens& tokens, const Dropout& dropout, at::ScalarType compute);

}  // namespace attune
