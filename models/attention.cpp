#include "models/attention.h"

#include <atomic>
#include <cmath>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_efficient_attention_forward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/attention.h"

namespace attune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Items differ in length by a hundredfold, so threads take them one by one rather than in equal
// ranges.
template <class Body>
void for_each_item(std::int64_t items, const Body& body) {
  std::atomic<std::int64_t> next{0};
  at::parallel_for(0, at::get_num_threads(), 1, [&](std::int64_t, std::int64_t) {
    thread_local AttentionWorkspace workspace;
    for (std::int64_t item; (item = next.fetch_add(1)) < items;) body(item, workspace);
  });
}

struct PackedSpec {
  int heads, head_dim;
  Dropout dropout;
};

AttentionProblem make_problem(const at::Tensor& qkv, const at::Tensor& cu_seqlens,
                              const at::Tensor& sequence_uid, const PackedSpec& spec) {
  AttentionProblem problem;
  problem.qkv = qkv.const_data_ptr<float>();
  problem.cu_seqlens = cu_seqlens.const_data_ptr<std::int32_t>();
  problem.sequence_uid = sequence_uid.const_data_ptr<std::int64_t>();
  problem.sequences = cu_seqlens.numel() - 1;
  problem.tokens = qkv.size(0);
  problem.heads = spec.heads;
  problem.head_dim = spec.head_dim;
  problem.scale = 1 / std::sqrt(static_cast<float>(spec.head_dim));
  problem.dropout = spec.dropout;
  return problem;
}

class CpuAttention : public torch::autograd::Function<CpuAttention> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& qkv,
                            const at::Tensor& cu_seqlens, const at::Tensor& sequence_uid,
                            const PackedSpec& spec) {
    const AttentionProblem problem = make_problem(qkv, cu_seqlens, sequence_uid, spec);
    at::Tensor out = at::empty(
        {problem.tokens, static_cast<std::int64_t>(spec.heads) * spec.head_dim}, qkv.options());
    at::Tensor lse = at::empty({spec.heads, problem.tokens}, qkv.options());
    float* out_data = out.mutable_data_ptr<float>();
    float* lse_data = lse.mutable_data_ptr<float>();
    for_each_item(problem.items(), [&](std::int64_t item, AttentionWorkspace& workspace) {
      attention_forward_cpu(problem, item, out_data, lse_data, workspace);
    });
    ctx->save_for_backward({qkv, cu_seqlens, sequence_uid, out, lse});
    ctx->saved_data["heads"] = spec.heads;
    ctx->saved_data["head_dim"] = spec.head_dim;
    ctx->saved_data["key"] = static_cast<std::int64_t>(spec.dropout.call_key);
    ctx->saved_data["threshold"] = static_cast<std::int64_t>(spec.dropout.threshold);
    ctx->saved_data["scale"] = static_cast<double>(spec.dropout.scale);
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const PackedSpec spec{static_cast<int>(ctx->saved_data["heads"].toInt()),
                          static_cast<int>(ctx->saved_data["head_dim"].toInt()),
                          {static_cast<std::uint64_t>(ctx->saved_data["key"].toInt()),
                           static_cast<std::uint32_t>(ctx->saved_data["threshold"].toInt()),
                           static_cast<float>(ctx->saved_data["scale"].toDouble())}};
    const AttentionProblem problem = make_problem(saved[0], saved[1], saved[2], spec);
    const at::Tensor grad_out = grads[0].contiguous();
    at::Tensor grad_qkv = at::empty(saved[0].sizes(), saved[0].options());
    const float* out = saved[3].const_data_ptr<float>();
    const float* lse = saved[4].const_data_ptr<float>();
    const float* grad = grad_out.const_data_ptr<float>();
    float* result = grad_qkv.mutable_data_ptr<float>();
    for_each_item(problem.items(), [&](std::int64_t item, AttentionWorkspace& workspace) {
      attention_backward_cpu(problem, item, out, lse, grad, result, workspace);
    });
    return {grad_qkv, {}, {}, {}};
  }
};

at::Tensor cuda_attention(const at::Tensor& qkv, const PackedTokens& tokens,
                          const AttentionSpec& spec, std::uint64_t dropout_key) {
  const at::Tensor parts = qkv.view({tokens.num_tokens, 3, spec.heads, spec.head_dim});
  const at::Tensor q = parts.select(1, 0), k = parts.select(1, 1), v = parts.select(1, 2);
  if (spec.dropout > 0) {
    at::Generator generator = at::globalContext().defaultGenerator(qkv.device());
    generator.set_current_seed(dropout_key);
  }
  at::Tensor out;
  if (qkv.scalar_type() == at::kBFloat16)
    out =
        std::get<0>(at::_flash_attention_forward(q, k, v, tokens.cu_seqlens, tokens.cu_seqlens,
                                                 tokens.max_length, tokens.max_length, spec.dropout,
                                                 /*is_causal=*/false, /*return_debug_mask=*/false));
  else
    out = std::get<0>(at::_efficient_attention_forward(
        q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), /*bias=*/{}, tokens.cu_seqlens,
        tokens.cu_seqlens, tokens.max_length, tokens.max_length, spec.dropout,
        /*custom_mask_type=*/0,
        /*compute_log_sumexp=*/at::GradMode::is_enabled()));
  return out.reshape({tokens.num_tokens, static_cast<std::int64_t>(spec.heads) * spec.head_dim});
}

}  // namespace

at::Tensor attention(const at::Tensor& qkv, const PackedTokens& tokens, const AttentionSpec& spec,
                     const ForwardOptions& options, int layer) {
  const Dropout dropout =
      Dropout::make(spec.dropout, options.seed, options.step, layer, DropoutSite::kAttention);
  if (qkv.is_cuda()) return cuda_attention(qkv, tokens, spec, dropout.call_key);
  return CpuAttention::apply(qkv.to(at::kFloat).contiguous(), tokens.cu_seqlens,
                             tokens.sequence_uid, PackedSpec{spec.heads, spec.head_dim, dropout});
}

}  // namespace attune
