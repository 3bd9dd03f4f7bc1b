#include "models/attention.h"

#include <atomic>
#include <cmath>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_efficient_attention_forward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
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

// AttentionSpec with every number given, and without its tensor.
struct PackedSpec {
  std::int64_t heads, kv_heads, head_dim, left, right;
  double scale;
  Dropout dropout;

  std::int64_t hidden() const { return heads * head_dim; }
};

PackedSpec packed_spec(const AttentionSpec& spec, const Dropout& dropout) {
  constexpr int kUnlimited = AttentionProblem<float>::kUnlimited;
  ATTUNE_ASSERT(spec.kv_heads == 0 || spec.heads % spec.kv_heads == 0);
  return {spec.heads,
          spec.kv_heads == 0 ? spec.heads : spec.kv_heads,
          spec.head_dim,
          spec.left < 0 ? kUnlimited : spec.left,
          spec.right < 0 ? kUnlimited : spec.right,
          spec.scale != 0 ? spec.scale : 1 / std::sqrt(static_cast<float>(spec.head_dim)),
          dropout};
}

void save_spec(AutogradContext& context, const PackedSpec& spec) {
  context.saved_data["numbers"] =
      std::vector<std::int64_t>{spec.heads, spec.kv_heads, spec.head_dim, spec.left, spec.right};
  context.saved_data["scale"] = spec.scale;
  save_dropout(context, spec.dropout);
}

PackedSpec saved_spec(const AutogradContext& context) {
  const std::vector<std::int64_t> numbers = context.saved_data.at("numbers").toIntVector();
  return {numbers[0],
          numbers[1],
          numbers[2],
          numbers[3],
          numbers[4],
          context.saved_data.at("scale").toDouble(),
          saved_dropout(context)};
}

template <class T>
AttentionProblem<T> make_problem(const at::Tensor& qkv, const at::Tensor& bias,
                                 const at::Tensor& cu_seqlens, const at::Tensor& sequence_uid,
                                 const PackedSpec& spec) {
  AttentionProblem<T> problem;
  problem.qkv = elements<T>(qkv);
  problem.cu_seqlens = elements<std::int32_t>(cu_seqlens);
  problem.sequence_uid = elements<std::int64_t>(sequence_uid);
  problem.sequences = cu_seqlens.numel() - 1;
  problem.tokens = qkv.size(0);
  problem.heads = static_cast<int>(spec.heads);
  problem.kv_heads = static_cast<int>(spec.kv_heads);
  problem.head_dim = static_cast<int>(spec.head_dim);
  problem.scale = static_cast<float>(spec.scale);
  problem.dropout = spec.dropout;
  problem.left = static_cast<int>(spec.left);
  problem.right = static_cast<int>(spec.right);
  problem.bias = elements<float>(bias);
  problem.reach = bias.defined() ? (bias.size(1) - 1) / 2 : 0;
  return problem;
}

// The sequences' sums by key - query (kernels/attention.h) added up to [heads, 2 * reach + 1], in
// the order of the sequences.
at::Tensor add_diagonals(const at::Tensor& diagonals, const at::Tensor& cu_seqlens,
                         std::int64_t reach) {
  const std::int64_t heads = diagonals.size(0), row = diagonals.size(1), width = 2 * reach + 1;
  const at::Tensor sum = at::zeros({heads, width}, diagonals.options());
  const std::int32_t* offsets = elements<std::int32_t>(cu_seqlens);
  for (std::int64_t h = 0; h < heads; ++h)
    for (std::int64_t s = 0; s + 1 < cu_seqlens.numel(); ++s) {
      const std::int64_t length = offsets[s + 1] - offsets[s];
      const float* from = elements<float>(diagonals) + h * row + 2 * offsets[s];
      float* to = mutable_elements<float>(sum) + h * width + reach - (length - 1);
      for (std::int64_t i = 0; i < 2 * length - 1; ++i) to[i] += from[i];
    }
  return sum;
}

class CpuAttention : public torch::autograd::Function<CpuAttention> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& qkv,
                            const std::optional<at::Tensor>& bias, const at::Tensor& cu_seqlens,
                            const at::Tensor& sequence_uid, const PackedSpec& spec) {
    const std::int64_t tokens = qkv.size(0);
    at::Tensor out = at::empty({tokens, spec.hidden()}, qkv.options());
    at::Tensor lse = at::empty({spec.heads, tokens}, qkv.options().dtype(at::kFloat));
    const at::Tensor added = bias.value_or(at::Tensor());
    with_element_type(qkv.scalar_type(), [&]<class T>(T) {
      const auto problem = make_problem<T>(qkv, added, cu_seqlens, sequence_uid, spec);
      for_each_item(problem.items(), [&](std::int64_t item, AttentionWorkspace& workspace) {
        attention_forward_cpu(problem, item, mutable_elements<T>(out), mutable_elements<float>(lse),
                              workspace);
      });
    });
    ctx->save_for_backward({qkv, added, cu_seqlens, sequence_uid, out, lse});
    save_spec(*ctx, spec);
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &qkv = saved[0], &bias = saved[1];
    const PackedSpec spec = saved_spec(*ctx);
    const at::Tensor grad_out = grads[0].contiguous();
    at::Tensor grad_qkv = at::empty(qkv.sizes(), qkv.options()), diagonals;
    if (bias.defined() && ctx->needs_input_grad(1))
      diagonals = at::empty({spec.heads, 2 * qkv.size(0)}, bias.options());
    with_element_type(qkv.scalar_type(), [&]<class T>(T) {
      const auto problem = make_problem<T>(qkv, bias, saved[2], saved[3], spec);
      for_each_item(problem.items(), [&](std::int64_t item, AttentionWorkspace& workspace) {
        attention_backward_cpu(problem, item, elements<T>(saved[4]), elements<float>(saved[5]),
                               elements<T>(grad_out), mutable_elements<T>(grad_qkv),
                               mutable_elements<float>(diagonals), workspace);
      });
    });
    if (diagonals.defined()) diagonals = add_diagonals(diagonals, saved[2], (bias.size(1) - 1) / 2);
    return {grad_qkv, diagonals, {}, {}, {}};
  }
};

// Q [tokens, heads, head_dim], K and V [tokens, kv_heads, head_dim]: views.
struct Parts {
  at::Tensor q, k, v;
};

Parts split(const at::Tensor& qkv, const PackedSpec& spec) {
  const at::Tensor heads = qkv.unflatten(1, {spec.heads + 2 * spec.kv_heads, spec.head_dim});
  return {heads.narrow(1, 0, spec.heads), heads.narrow(1, spec.heads, spec.kv_heads),
          heads.narrow(1, spec.heads + spec.kv_heads, spec.kv_heads)};
}

// As many key and value heads as heads.
Parts expanded(const Parts& parts, const PackedSpec& spec) {
  if (spec.kv_heads == spec.heads) return parts;
  const std::int64_t group = spec.heads / spec.kv_heads;
  return {parts.q, parts.k.repeat_interleave(group, 1), parts.v.repeat_interleave(group, 1)};
}

at::Tensor cuda_attention(const at::Tensor& qkv, const PackedTokens& tokens,
                          const AttentionSpec& given, const Dropout& dropout) {
  const PackedSpec spec = packed_spec(given, {});
  if (dropout.on() && !dropout.stored_step_key)
    seed_attention_dropout(qkv.device(), dropout.call_key());
  const bool causal = given.right == 0, flash = qkv.scalar_type() == at::kBFloat16;
  const bool window = given.left >= 0 || given.right > 0;
  if (given.bias.defined() || (window && !flash)) return dense_attention(qkv, tokens, given);
  const auto limit = [](int keys) {
    return keys < 0 ? std::nullopt : std::optional<std::int64_t>(keys);
  };
  const std::optional<double> scale = given.scale != 0 ? std::optional(given.scale) : std::nullopt;
  at::Tensor out;
  if (flash) {
    const auto [q, k, v] = split(qkv, spec);
    out = std::get<0>(at::_flash_attention_forward(
        q, k, v, tokens.cu_seqlens, tokens.cu_seqlens, tokens.max_length, tokens.max_length,
        given.dropout, causal, /*return_debug_mask=*/false, scale, limit(given.left),
        limit(given.right)));
  } else {
    const auto [q, k, v] = expanded(split(qkv, spec), spec);
    out = std::get<0>(at::_efficient_attention_forward(
        q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), /*bias=*/{}, tokens.cu_seqlens,
        tokens.cu_seqlens, tokens.max_length, tokens.max_length, given.dropout,
        /*custom_mask_type=*/causal ? 1 : 0,
        /*compute_log_sumexp=*/at::GradMode::is_enabled(), scale));
  }
  return out.reshape({tokens.num_tokens, spec.hidden()});
}

// Whether key j of a padded sequence is seen by query i, [sequences, 1, longest, longest].
at::Tensor seen_keys(const at::Tensor& difference, const at::Tensor& lengths,
                     const PackedSpec& spec) {
  const std::int64_t longest = difference.size(0);
  const at::Tensor window = difference.ge(-spec.left).logical_and(difference.le(spec.right));
  const at::Tensor there = at::arange(longest, lengths.options()).lt(lengths.unsqueeze(1));
  return there.unsqueeze(1).unsqueeze(1).logical_and(window);
}

}  // namespace

void seed_attention_dropout(const at::Device& device, std::uint64_t key) {
  if (!device.is_cuda()) return;
  at::Generator generator = at::globalContext().defaultGenerator(device);
  generator.set_current_seed(key);
}

at::Tensor dense_attention(const at::Tensor& qkv, const PackedTokens& tokens,
                           const AttentionSpec& given) {
  const PackedSpec spec = packed_spec(given, {});
  const std::int64_t longest = tokens.max_length, sequences = tokens.num_sequences;
  const at::Tensor starts = tokens.cu_seqlens.slice(0, 0, -1).to(at::kLong);
  const at::Tensor lengths = tokens.cu_seqlens.slice(0, 1).to(at::kLong) - starts;
  const at::Tensor number = at::arange(tokens.num_tokens, starts.options());
  const at::Tensor place =
      tokens.token_sequence * longest + number - starts.index_select(0, tokens.token_sequence);
  const auto padded = [&](const at::Tensor& part) {  // [sequences, heads, longest, head_dim]
    return at::zeros({sequences * longest, spec.heads, spec.head_dim}, part.options())
        .index_copy(0, place, part)
        .view({sequences, longest, spec.heads, spec.head_dim})
        .transpose(1, 2);
  };
  const Parts parts = expanded(split(qkv, spec), spec);
  const at::Tensor line = at::arange(longest, starts.options());
  const at::Tensor difference = line.unsqueeze(0) - line.unsqueeze(1);  // key - query
  at::Tensor scores =
      at::matmul(padded(parts.q), padded(parts.k).transpose(2, 3)).to(at::kFloat) * spec.scale;
  if (given.bias.defined()) {
    const std::int64_t reach = (given.bias.size(1) - 1) / 2;
    scores = scores + given.bias.index_select(1, (difference + reach).flatten())
                          .view({spec.heads, longest, longest});
  }
  // A row that sees no key is padding of a window: a finite number keeps its softmax from NaN.
  scores = scores.masked_fill(seen_keys(difference, lengths, spec).logical_not(), -1e30);
  const at::Tensor kept = at::dropout(at::softmax(scores, -1), given.dropout, given.dropout > 0);
  return at::matmul(kept.to(qkv.scalar_type()), padded(parts.v))
      .transpose(1, 2)
      .reshape({sequences * longest, spec.hidden()})
      .index_select(0, place);
}

at::Tensor attention(const at::Tensor& qkv, const PackedTokens& tokens, const AttentionSpec& spec,
                     const ForwardOptions& options, int layer) {
  ATTUNE_ASSERT(!spec.bias.defined() || spec.bias.size(1) + 1 >= 2 * tokens.max_length);
  const Dropout dropout = options.mask(spec.dropout, layer, DropoutSite::kAttention);
  if (qkv.is_cuda()) return cuda_attention(qkv, tokens, spec, dropout);
  return CpuAttention::apply(
      qkv.contiguous(), spec.bias.defined() ? std::optional(spec.bias.contiguous()) : std::nullopt,
      tokens.cu_seqlens, tokens.sequence_uid, packed_spec(spec, dropout));
}

}  // namespace attune
