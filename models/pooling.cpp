#include "models/pooling.h"

#include <limits>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/segment_reduce.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.h"

namespace attune {
namespace {

// Row sums of each sequence. ATen's index_add walks row by row through its dispatcher on the
// processor, which costs more than the encoder's LayerNorms together; there a plain loop is used.
class SegmentSum : public torch::autograd::Function<SegmentSum> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const at::Tensor& cu_seqlens, const at::Tensor& token_sequence) {
    ctx->save_for_backward({token_sequence});
    const std::int64_t sequences = cu_seqlens.numel() - 1, width = x.size(1);
    at::Tensor sums = at::zeros({sequences, width}, x.options());
    if (x.is_cuda()) return sums.index_add_(0, token_sequence, x);
    const float* from = x.const_data_ptr<float>();
    const std::int32_t* offsets = cu_seqlens.const_data_ptr<std::int32_t>();
    float* to = sums.mutable_data_ptr<float>();
    at::parallel_for(0, sequences, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t s = begin; s < end; ++s)
        for (std::int64_t t = offsets[s]; t < offsets[s + 1]; ++t)
          for (std::int64_t c = 0; c < width; ++c) to[s * width + c] += from[t * width + c];
    });
    return sums;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    return {grads[0].index_select(0, ctx->get_saved_variables()[0]), {}, {}};
  }
};

// Number of pooled tokens of each sequence, [sequences, 1] fp32.
at::Tensor counts(const PackedTokens& tokens) {
  if (!tokens.pooled.defined())
    return tokens.cu_seqlens.slice(0, 1)
        .sub(tokens.cu_seqlens.slice(0, 0, -1))
        .to(at::kFloat)
        .unsqueeze(1);
  at::Tensor sums = at::zeros({tokens.num_sequences}, tokens.pooled.options().dtype(at::kFloat));
  return sums.index_add_(0, tokens.token_sequence, tokens.pooled.to(at::kFloat)).unsqueeze(1);
}

at::Tensor sum(const at::Tensor& x, const PackedTokens& tokens) {
  const at::Tensor masked =
      tokens.pooled.defined() ? x.masked_fill(tokens.pooled.logical_not().unsqueeze(1), 0) : x;
  return SegmentSum::apply(masked.contiguous(), tokens.cu_seqlens, tokens.token_sequence);
}

at::Tensor pool_one(const at::Tensor& x, const PackedTokens& tokens, PoolingMode mode) {
  switch (mode) {
    case PoolingMode::kCls:
      return x.index_select(0, tokens.cu_seqlens.slice(0, 0, -1).to(at::kLong));
    case PoolingMode::kMean:
      return sum(x, tokens) / counts(tokens).clamp_min(1e-9);
    case PoolingMode::kMeanSqrtLen:
      return sum(x, tokens) / counts(tokens).clamp_min(1e-9).sqrt();
    case PoolingMode::kMax: {
      const at::Tensor masked = tokens.pooled.defined()
                                    ? x.masked_fill(tokens.pooled.logical_not().unsqueeze(1),
                                                    -std::numeric_limits<float>::infinity())
                                    : x;
      return at::segment_reduce(masked, "max", /*lengths=*/{}, /*indices=*/{},
                                /*offsets=*/tokens.cu_seqlens.to(at::kLong), /*axis=*/0,
                                /*unsafe=*/false,
                                /*initial=*/{});
    }
    case PoolingMode::kWeightedMean: {
      at::Tensor weights = (tokens.positions + 1).to(at::kFloat).unsqueeze(1);
      if (tokens.pooled.defined()) weights = weights * tokens.pooled.unsqueeze(1);
      const auto sums = [&](const at::Tensor& rows) {
        return SegmentSum::apply(rows.contiguous(), tokens.cu_seqlens, tokens.token_sequence);
      };
      return sums(x * weights) / sums(weights).clamp_min(1e-9);
    }
    case PoolingMode::kLastToken: {
      const at::Tensor last = tokens.cu_seqlens.slice(0, 1).to(at::kLong) - 1;
      const at::Tensor rows = x.index_select(0, last);
      return tokens.pooled.defined() ? rows * tokens.pooled.index_select(0, last).unsqueeze(1)
                                     : rows;
    }
  }
  throw InternalError("unknown pooling mode");
}

}  // namespace

const char* pooling_name(PoolingMode mode) {
  switch (mode) {
    case PoolingMode::kCls:
      return "cls";
    case PoolingMode::kMax:
      return "max";
    case PoolingMode::kMean:
      return "mean";
    case PoolingMode::kMeanSqrtLen:
      return "mean_sqrt_len_tokens";
    case PoolingMode::kWeightedMean:
      return "weightedmean";
    case PoolingMode::kLastToken:
      return "lasttoken";
  }
  throw InternalError("unknown pooling mode");
}

const char* pooling_switch(PoolingMode mode) {
  switch (mode) {
    case PoolingMode::kCls:
      return "pooling_mode_cls_token";
    case PoolingMode::kMax:
      return "pooling_mode_max_tokens";
    case PoolingMode::kMean:
      return "pooling_mode_mean_tokens";
    case PoolingMode::kMeanSqrtLen:
      return "pooling_mode_mean_sqrt_len_tokens";
    case PoolingMode::kWeightedMean:
      return "pooling_mode_weightedmean_tokens";
    case PoolingMode::kLastToken:
      return "pooling_mode_lasttoken";
  }
  throw InternalError("unknown pooling mode");
}

const std::vector<PoolingMode>& pooling_modes() {
  static const std::vector<PoolingMode> modes = {
      PoolingMode::kCls,         PoolingMode::kMax,          PoolingMode::kMean,
      PoolingMode::kMeanSqrtLen, PoolingMode::kWeightedMean, PoolingMode::kLastToken};
  return modes;
}

at::Tensor pool(const at::Tensor& token_vectors, const PackedTokens& tokens,
                const std::vector<PoolingMode>& modes) {
  std::vector<at::Tensor> pooled;
  for (PoolingMode mode : modes) pooled.push_back(pool_one(token_vectors, tokens, mode));
  return pooled.size() == 1 ? pooled[0] : at::cat(pooled, 1);
}

}  // namespace attune
