#include "models/token_embedding.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/embedding_dense_backward.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.h"
#include "kernels/embedding.h"
#include "models/device_kernels.h"
#include "models/dropout.h"
#include "models/kernel_data.h"
#include "models/leaf_gradient.h"
#include "models/saved_dropout.h"

namespace attune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// to[rows[t]] += from[t]. Threads take columns, so every row is added to in the order of the
// tokens: the same bits for any number of threads.
void scatter_add(const at::Tensor& from, const at::Tensor& rows, std::int64_t skipped_row,
                 const at::Tensor& to) {
  const std::int64_t tokens = from.size(0), width = from.size(1);
  const float* source = elements<float>(from);
  const std::int32_t* row = elements<std::int32_t>(rows);
  float* target = mutable_elements<float>(to);
  at::parallel_for(0, width, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = 0; t < tokens; ++t) {
      if (row[t] == skipped_row) continue;
      const float* x = source + t * width;
      float* y = target + row[t] * width;
      for (std::int64_t c = begin; c < end; ++c) y[c] += x[c];
    }
  });
}

EmbeddingRows device_rows(const at::Tensor& word, const at::Tensor& position,
                          const at::Tensor& token_type, const PackedTokens& packed) {
  // Which rows backward writes to is known here alone.
  ATTUNE_ASSERT(packed.max_id < word.size(0) && packed.max_position < position.size(0));
  EmbeddingRows rows;
  rows.word = elements<float>(word);
  rows.position = elements<float>(position);
  rows.type = elements<float>(token_type);
  rows.words = word.size(0);
  rows.positions = position.size(0);
  rows.types = token_type.size(0);
  rows.ids = elements<std::int32_t>(packed.ids);
  rows.places = elements<std::int32_t>(packed.positions);
  return rows;
}

void sum_on_device(const EmbeddingRows& rows, const at::Tensor& sum) {
  AddLayerNorm none;
  none.width = sum.size(1);
  EmbeddingForward<float> data;
  data.y = mutable_elements<float>(sum);
  check_kernel(embedding_forward_cuda(rows, none, data, sum.size(0), current_stream(sum)));
}

// As scatter_add. Where there is no plan, because the rows were made on the device, ATen sorts
// them.
void scatter_on_device(const at::Tensor& from, const at::Tensor& rows, const at::Tensor& plan,
                       std::int64_t skipped_row, const at::Tensor& to) {
  if (!plan.defined()) {
    to.add_(at::embedding_dense_backward(from, rows, to.size(0), skipped_row,
                                         /*scale_grad_by_freq=*/false));
    return;
  }
  const std::int64_t tokens = from.size(0), width = from.size(1);
  const at::Tensor workspace = kernel_workspace(from, scatter_workspace(tokens, width));
  check_kernel(scatter_add_cuda(
      elements<float>(from), ScatterPlan::in(elements<std::int32_t>(plan), tokens), width,
      mutable_elements<float>(to), mutable_elements<float>(workspace), current_stream(from)));
  if (skipped_row >= 0) to.select(0, skipped_row).zero_();  // nothing else adds to it
}

// What backward needs to bring the gradient of the sum back to the tables: the first seven of the
// tensors that a function saves, and its two numbers.
variable_list tables_to_save(const at::Tensor& word, const at::Tensor& position,
                             const at::Tensor& token_type, const PackedTokens& packed) {
  return {word,
          position,
          token_type,
          packed.ids,
          packed.positions,
          packed.id_plan,
          packed.position_plan};
}

void save_padding(AutogradContext& ctx, const EmbeddingTables& tables) {
  ctx.saved_data["padding_row"] = tables.padding_row;
  ctx.saved_data["position_padding_row"] = tables.position_padding_row;
}

// Of word, position and token_type, what autograd must be given.
variable_list add_to_tables(AutogradContext& ctx, const variable_list& saved,
                            const at::Tensor& grad) {
  const auto scatter = [&](const at::Tensor& rows, const at::Tensor& plan, const char* padding) {
    return [&grad, rows, plan, skipped = ctx.saved_data[padding].toInt()](const at::Tensor& to) {
      if (has_device_kernels(grad))
        scatter_on_device(grad, rows, plan, skipped, to);
      else
        scatter_add(grad, rows, skipped, to);
    };
  };
  const auto sum_of_all = [&](const at::Tensor& to) { to.select(0, 0).add_(grad.sum(0)); };
  return {add_to_gradient(saved[0], scatter(saved[3], saved[5], "padding_row")),
          add_to_gradient(saved[1], scatter(saved[4], saved[6], "position_padding_row")),
          add_to_gradient(saved[2], sum_of_all)};
}

class SummedEmbedding : public torch::autograd::Function<SummedEmbedding> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& word,
                            const at::Tensor& position, const at::Tensor& token_type,
                            const PackedTokens& packed, const EmbeddingTables& tables) {
    const at::Tensor &ids = packed.ids, &positions = packed.positions;
    ctx->save_for_backward(tables_to_save(word, position, token_type, packed));
    save_padding(*ctx, tables);
    const std::int64_t tokens = ids.numel(), width = word.size(1);
    at::Tensor sum = at::empty({tokens, width}, word.options());
    if (has_device_kernels(word)) {
      sum_on_device(device_rows(word, position, token_type, packed), sum);
      return sum;
    }
    const auto *id = elements<std::int32_t>(ids), *place = elements<std::int32_t>(positions);
    const auto *words = elements<float>(word), *places = elements<float>(position),
               *type = elements<float>(token_type);
    float* to = mutable_elements<float>(sum);
    at::parallel_for(0, tokens, 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t t = begin; t < end; ++t) {
        ATTUNE_ASSERT(id[t] >= 0 && id[t] < word.size(0) && place[t] < position.size(0));
        for (std::int64_t c = 0; c < width; ++c)
          to[t * width + c] = words[id[t] * width + c] + type[c] + places[place[t] * width + c];
      }
    });
    return sum;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    variable_list out = add_to_tables(*ctx, ctx->get_saved_variables(), grads[0].contiguous());
    out.resize(5);
    return out;
  }
};

// For devices alone: kernels/embedding.h.
class NormalizedEmbedding : public torch::autograd::Function<NormalizedEmbedding> {
 public:
  // Two outputs, as Stream; in fp32 they share their memory.
  static variable_list forward(AutogradContext* ctx, const at::Tensor& word,
                               const at::Tensor& position, const at::Tensor& token_type,
                               const at::Tensor& weight, const at::Tensor& bias,
                               const PackedTokens& rows, const EmbeddingTables& tables,
                               double epsilon, const PackedTokens& tokens, const Dropout& dropout,
                               at::ScalarType compute, bool keep) {
    AddLayerNorm norm = norm_of(weight, tokens.token_uid, tokens.positions, dropout);
    norm.epsilon = static_cast<float>(epsilon);
    norm.bias = elements<float>(bias);
    const at::TensorOptions fp32 = word.options();
    const std::vector<std::int64_t> sizes = {tokens.num_tokens, norm.width};
    const at::Tensor y = at::empty(sizes, fp32);
    const at::Tensor narrowed =
        compute == at::kFloat ? at::Tensor() : at::empty(sizes, fp32.dtype(compute));
    const at::Tensor normalized = keep ? at::empty(sizes, fp32.dtype(compute)) : at::Tensor();
    const at::Tensor inverse_deviation = keep ? at::empty({tokens.num_tokens}, fp32) : at::Tensor();
    with_element_type(compute, [&]<class T>(T) {
      const EmbeddingForward<T> data{mutable_elements<float>(y), mutable_elements<T>(narrowed),
                                     /*normalized=*/nullptr, mutable_elements<T>(normalized),
                                     mutable_elements<float>(inverse_deviation)};
      check_kernel(embedding_forward_cuda(device_rows(word, position, token_type, rows), norm, data,
                                          tokens.num_tokens, current_stream(word)));
    });
    if (keep) {
      variable_list saved = tables_to_save(word, position, token_type, rows);
      saved.insert(saved.end(), {weight, bias, normalized, inverse_deviation, tokens.token_uid,
                                 tokens.positions});
      ctx->save_for_backward(saved);
      save_padding(*ctx, tables);
      save_dropout(*ctx, dropout);
      ctx->set_materialize_grads(false);
    }
    return {y, narrowed.defined() ? narrowed : y.detach()};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &weight = saved[7], &bias = saved[8], &normalized = saved[9];
    const AddLayerNorm norm = norm_of(weight, saved[11], saved[12], saved_dropout(*ctx));
    const std::int64_t tokens = normalized.size(0);
    const at::Tensor wide = grads[0].defined() ? grads[0].contiguous() : at::Tensor();
    const at::Tensor narrowed =
        grads[1].defined() ? grads[1].to(normalized.scalar_type()).contiguous() : at::Tensor();
    const at::Tensor grad_sum = at::empty(normalized.sizes(), weight.options());
    const LeafGradient of_weight(weight), of_bias(bias);
    const bool wanted = of_weight.target.defined() || of_bias.target.defined();
    const at::Tensor workspace =
        wanted ? kernel_workspace(weight, norm_workspace(tokens, norm.width)) : at::Tensor();
    with_element_type(normalized.scalar_type(), [&]<class T>(T) {
      const EmbeddingBackward<T> data{elements<float>(wide),
                                      elements<T>(narrowed),
                                      /*normalized=*/nullptr,
                                      elements<T>(normalized),
                                      elements<float>(saved[10]),
                                      mutable_elements<float>(grad_sum),
                                      mutable_elements<float>(of_weight.target),
                                      mutable_elements<float>(of_bias.target)};
      check_kernel(embedding_backward_cuda(norm, data, tokens, mutable_elements<float>(workspace),
                                           current_stream(weight)));
    });
    variable_list out = add_to_tables(*ctx, saved, grad_sum);
    out.insert(out.end(), {of_weight.for_autograd, of_bias.for_autograd});
    out.resize(12);
    return out;
  }

 private:
  static AddLayerNorm norm_of(const at::Tensor& weight, const at::Tensor& token_uid,
                              const at::Tensor& positions, const Dropout& dropout) {
    AddLayerNorm norm;
    norm.width = weight.numel();
    norm.weight = elements<float>(weight);
    norm.dropout = dropout;
    norm.token_uid = elements<std::int64_t>(token_uid);
    norm.positions = elements<std::int32_t>(positions);
    return norm;
  }
};

}  // namespace

at::Tensor embed_tokens(const PackedTokens& tokens, const EmbeddingTables& tables) {
  return SummedEmbedding::apply(tables.word, tables.position, tables.token_type, tokens, tables);
}

Stream embed_layer_norm(const PackedTokens& rows, const EmbeddingTables& tables,
                        const LayerNorm& norm, const PackedTokens& tokens, const Dropout& mask,
                        at::ScalarType compute) {
  if (has_device_kernels(tables.word)) {
    const bool keep = at::GradMode::is_enabled() &&
                      (tables.word.requires_grad() || tables.position.requires_grad() ||
                       tables.token_type.requires_grad() || norm.weight.requires_grad());
    const auto outputs = NormalizedEmbedding::apply(tables.word, tables.position, tables.token_type,
                                                    norm.weight, norm.bias, rows, tables,
                                                    norm.epsilon, tokens, mask, compute, keep);
    return {outputs[0], outputs[1]};
  }
  const at::Tensor embedded = add_layer_norm(embed_tokens(rows, tables), /*residual=*/{}, norm,
                                             tokens, /*dropout=*/{}, at::kFloat)
                                  .residual;
  const at::Tensor x = dropout(embedded, tokens, mask);
  return {x, x.to(compute)};
}

}  // namespace attune
