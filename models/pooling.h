// From token vectors to one vector a text, as sentence-transformers' Pooling.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/packed_tokens.h"

namespace attune {

enum class PoolingMode : std::uint8_t {
  kCls,
  kMax,
  kMean,
  kMeanSqrtLen,
  kWeightedMean,
  kLastToken
};

// Name in Pooling's compact config ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean",
// "lasttoken").
const char* pooling_name(PoolingMode mode);
// Its switch in the classic config: "pooling_mode_cls_token".
const char* pooling_switch(PoolingMode mode);
// All of them, in the order in which sentence-transformers joins their vectors.
const std::vector<PoolingMode>& pooling_modes();

// tokens [T, d] fp32 -> [sequences, d * modes], modes side by side in the order given.
// Differentiable.
//   cls            the first token
//   mean           sum of pooled tokens / max(count, 1e-9)
//   mean_sqrt_len  sum of pooled tokens / sqrt(max(count, 1e-9))
//   max            maximum over pooled tokens
//   weightedmean   mean of pooled tokens weighted by their place in the sequence, from 1 on
//   lasttoken      the last token, 0 if it is not pooled
// `normalize`: each row then divided by its length, as normalized().
at::Tensor pool(const at::Tensor& token_vectors, const PackedTokens& tokens,
                const std::vector<PoolingMode>& modes, bool normalize = false);

// x [n, d] / max(|row|, 1e-12). Differentiable.
at::Tensor normalized(const at::Tensor& x);

}  // namespace attune
