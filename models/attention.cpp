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
#include "models/kernel_data.h"
#include "models/saved_dropout.h"

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

template <class T>
AttentionProblem<T> make_problem(const at::Tensor& qkv, const at::Tensor& cu_seqlens,
                                 const at::Tensor& sequence_uid, const PackedSpec& spec) {
  AttentionProblem<T> problem;
  problem.qkv = elements<T>(qkv);
  problem.cu_seqlens = elements<std::int32_t>(cu_seqlens);
  problem.sequence_uid = elements<std::int64_t>(sequence_uid);
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
    const std::int64_t tokens = qkv.size(0);
    at::Tensor out =
        at::empty({tokens, static_cast<std::int64_t>(spec.heads) * spec.head_dim}, qkv.options());
    at::Tensor lse = at::empty({spec.heads, tokens}, qkv.options().dtype(at::kFloat));
    with_element_type(qkv.scalar_type(), [&]<class T>(T) {
      const auto problem = make_problem<T>(qkv, cu_seqlens, sequence_uid, spec);
      for_each_item(problem.items(), [&](std::int64_t item, AttentionWorkspace& workspace) {
        attention_forward_cpu(problem, item, mutable_elements<T>(out), mutable_elements<float>(lse),
                              workspace);
      });
    });
    ctx->save_for_backward({qkv, cu_seqlens, sequence_uid, out, lse});
    ctx->saved_data["heads"] = spec.heads;
    ctx->saved_data["head_dim"] = spec.head_dim;
    save_dropout(*ctx, spec.dropout);
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor& qkv = saved[0];
    const PackedSpec spec{static_cast<int>(ctx->saved_data["heads"].toInt()),
                          static_cast<int>(ctx->saved_data["head_dim"].toInt()),
                          saved_dropout(*ctx)};
    const at::Tensor grad_out = grads[0].contiguous();
    at::Tensor grad_qkv = at::empty(qkv.sizes(), qkv.options());
    with_element_type(qkv.scalar_type(), [&]<class T>(T) {
      const auto problem = make_problem<T>(qkv, saved[1], saved[2], spec);
      for_each_item(problem.items(), [&](std::int64_t item, AttentionWorkspace& workspace) {
        attention_backward_cpu(problem, item, elements<T>(saved[3]), elements<float>(saved[4]),
                               elements<T>(grad_out), mutable_elements<T>(grad_qkv), workspace);
      });
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
  return CpuAttention::apply(qkv.contiguous(), tokens.cu_seqlens, tokens.sequence_uid,
                             PackedSpec{spec.heads, spec.head_dim, dropout});
}

}  // namespace attune
