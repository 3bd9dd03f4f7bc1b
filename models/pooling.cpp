#include "models/pooling.h"

#include <limits>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/segment_reduce.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.h"
#include "kernels/pooling.h"
#include "models/device_kernels.h"
#include "models/kernel_data.h"

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

PoolingKind kind_of(PoolingMode mode) {
  switch (mode) {
    case PoolingMode::kCls:
      return PoolingKind::kCls;
    case PoolingMode::kMax:
      return PoolingKind::kMax;
    case PoolingMode::kMean:
      return PoolingKind::kMean;
    case PoolingMode::kMeanSqrtLen:
      return PoolingKind::kMeanSqrtLen;
    case PoolingMode::kLastToken:
      return PoolingKind::kLast;
    case PoolingMode::kWeightedMean:
      break;
  }
  throw InternalError("unknown pooling mode");
}

PackedPooling problem_of(const at::Tensor& x, const at::Tensor& cu_seqlens,
                         const at::Tensor& pooled, PoolingKind kind, bool normalize) {
  PackedPooling pooling;
  pooling.kind = kind;
  pooling.normalize = normalize;
  pooling.sequences = cu_seqlens.numel() - 1;
  pooling.tokens = x.size(0);
  pooling.width = pooling.out_stride = x.size(1);
  pooling.cu_seqlens = elements<std::int32_t>(cu_seqlens);
  pooling.pooled = elements<std::uint8_t>(pooled);
  return pooling;
}

// One pass each way, the division by the length included.
class DevicePooling : public torch::autograd::Function<DevicePooling> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const PackedTokens& tokens, PoolingKind kind, bool normalize) {
    const PackedPooling problem = problem_of(x, tokens.cu_seqlens, tokens.pooled, kind, normalize);
    const at::Tensor out = at::empty({problem.sequences, problem.width}, x.options());
    const at::Tensor inverse_norm = at::empty({problem.sequences}, x.options());
    const at::Tensor largest = kind == PoolingKind::kMax
                                   ? at::empty(out.sizes(), x.options().dtype(at::kInt))
                                   : at::Tensor();
    check_kernel(pool_forward_cuda(problem, elements<float>(x), mutable_elements<float>(out),
                                   mutable_elements<float>(inverse_norm),
                                   mutable_elements<std::int32_t>(largest), current_stream(x)));
    ctx->save_for_backward({out, inverse_norm, largest, tokens.cu_seqlens, tokens.pooled});
    ctx->saved_data["tokens"] = x.size(0);
    ctx->saved_data["kind"] = static_cast<std::int64_t>(kind);
    ctx->saved_data["normalize"] = normalize;
    return out;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& out = saved[0];
    const at::Tensor grad = grads[0].contiguous();
    const at::Tensor grad_x =
        at::empty({ctx->saved_data["tokens"].toInt(), out.size(1)}, out.options());
    const PackedPooling problem = problem_of(
        grad_x, saved[3], saved[4], static_cast<PoolingKind>(ctx->saved_data["kind"].toInt()),
        ctx->saved_data["normalize"].toBool());
    check_kernel(pool_backward_cuda(problem, elements<float>(grad), elements<float>(out),
                                    elements<float>(saved[1]), elements<std::int32_t>(saved[2]),
                                    mutable_elements<float>(grad_x), current_stream(out)));
    return {grad_x, {}, {}, {}};
  }
};

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
      // Of both the sum, or on a device the mean: their ratio is the same.
      const auto totals = [&](const at::Tensor& rows) {
        return has_device_kernels(x)
                   ? DevicePooling::apply(rows.contiguous(), tokens, PoolingKind::kMean, false)
                   : SegmentSum::apply(rows.contiguous(), tokens.cu_seqlens, tokens.token_sequence);
      };
      return totals(x * weights) / totals(weights).clamp_min(1e-9);
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

at::Tensor normalized(const at::Tensor& x) {
  return x / at::linalg_vector_norm(x, 2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

at::Tensor pool(const at::Tensor& token_vectors, const PackedTokens& tokens,
                const std::vector<PoolingMode>& modes, bool normalize) {
  const auto has_kernel = [&](PoolingMode mode) {
    return mode != PoolingMode::kWeightedMean && has_device_kernels(token_vectors);
  };
  const bool fused = normalize && modes.size() == 1 && has_kernel(modes[0]);
  std::vector<at::Tensor> pooled;
  for (PoolingMode mode : modes)
    pooled.push_back(has_kernel(mode) ? DevicePooling::apply(token_vectors.contiguous(), tokens,
                                                             kind_of(mode), fused)
                                      : pool_one(token_vectors, tokens, mode));
  const at::Tensor vectors = pooled.size() == 1 ? pooled[0] : at::cat(pooled, 1);
  return normalize && !fused ? normalized(vectors) : vectors;
}

}  // namespace attune
