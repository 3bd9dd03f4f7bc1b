// The one linear function: it alone knows the backends.
//   CPU fp32   MKL on Intel's processors, oneDNN on others (docs/decisions/007)
//   CPU bf16   oneDNN, which uses AVX512-BF16 or AMX where the processor has them
//   CUDA       cuBLAS; in bf16 from a working copy of the weights where there is one
// The gradients of weight and bias are added to the arena in place.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include "kernels/counter_dropout.h"
#include "models/forward_options.h"
#include "models/packed_tokens.h"

namespace attune {

// What LoRA (Hu et al. 2021) adds to the outputs [first_row, first_row + b.size(0)) of a layer:
//   scale * dropout(x) A^T B^T
struct LowRank {
  at::Tensor a;  // [rank, in] fp32
  at::Tensor b;  // [rows, rank] fp32
  std::int64_t first_row = 0;
  double scale = 1;
  double dropout = 0;  // in training; its mask is keyed by the next two
  int encoder_layer = 0;
  DropoutSite site = DropoutSite::kQueryLowRank;
};

struct Linear {
  at::Tensor weight;       // [out, in] fp32
  at::Tensor bias;         // [out] fp32; undefined: none
  at::Tensor packed = {};  // see pack(); else undefined
  at::Tensor scales = {};  // [out] fp32 where `packed` is int8
  // On CUDA: weight and bias rounded to bf16, kept equal to them (ParameterStore's working copy);
  // undefined: rounded in each call.
  at::Tensor working = {}, working_bias = {};
  std::vector<LowRank> low_rank = {};  // in the order of first_row; their rows do not overlap
};

// For serving: keeps the weight, rounded to `products` (kFloat, kBFloat16, or kChar: see
// models/quantized_linear.h), on the processor in the layout that oneDNN's product wants, so that
// no call rounds and reorders it again. Calls without a gradient and of that type (for kChar: of
// bf16) use it; the weight must not change any more.
void pack(Linear& layer, at::ScalarType products);

// y = x W^T + b, differentiable; x [n, in] of any float type, y [n, out] of type `compute`. bf16:
// x, W and b are rounded, sums are fp32; gradients of W and b reach the fp32 parameters.
at::Tensor linear(const at::Tensor& x, const Linear& layer, at::ScalarType compute);

// The same plus the layer's low rank parts; row i of x belongs to token i.
at::Tensor linear(const at::Tensor& x, const Linear& layer, const PackedTokens& tokens,
                  const ForwardOptions& options);

// erf GELU of linear(x): its backward needs no exponential (kernels/gelu.h).
at::Tensor linear_gelu(const at::Tensor& x, const Linear& layer, const PackedTokens& tokens,
                       const ForwardOptions& options);

}  // namespace attune
