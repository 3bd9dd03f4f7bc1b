// Counter dropout as a differentiable function (kernels/counter_dropout.h says how the mask is
// made).
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/counter_dropout.h"
#include "models/packed_tokens.h"

namespace attune {

// x [tokens, width] fp32, contiguous; returns x itself when dropout is off.
at::Tensor dropout(const at::Tensor& x, const PackedTokens& tokens, const Dropout& dropout);

}  // namespace attune
