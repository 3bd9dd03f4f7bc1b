#include "models/token_embedding.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding_dense_backward.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.h"
#include "kernels/embedding.h"
#include "models/device_kernels.h"
#include "models/kernel_data.h"
#include "models/leaf_gradient.h"

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

void sum_on_device(const at::Tensor& word, const at::Tensor& position, const at::Tensor& token_type,
                   const PackedTokens& packed, const at::Tensor& sum) {
  EmbeddingRows rows;
  rows.word = elements<float>(word);
  rows.position = elements<float>(position);
  rows.type = elements<float>(token_type);
  rows.words = word.size(0);
  rows.positions = position.size(0);
  rows.types = token_type.size(0);
  rows.ids = elements<std::int32_t>(packed.ids);
  rows.places = elements<std::int32_t>(packed.positions);
  AddLayerNorm none;
  none.width = word.size(1);
  EmbeddingForward<float> data;
  data.y = mutable_elements<float>(sum);
  check_kernel(embedding_forward_cuda(rows, none, data, packed.num_tokens, current_stream(word)));
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

class SummedEmbedding : public torch::autograd::Function<SummedEmbedding> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& word,
                            const at::Tensor& position, const at::Tensor& token_type,
                            const PackedTokens& packed, std::int64_t padding_row,
                            std::int64_t position_padding_row) {
    const at::Tensor &ids = packed.ids, &positions = packed.positions;
    ctx->save_for_backward(
        {word, position, token_type, ids, positions, packed.id_plan, packed.position_plan});
    ctx->saved_data["padding_row"] = padding_row;
    ctx->saved_data["position_padding_row"] = position_padding_row;
    const std::int64_t tokens = ids.numel(), width = word.size(1);
    // Which rows backward writes to is known here alone.
    ATTUNE_ASSERT(packed.max_id < word.size(0) && packed.max_position < position.size(0));
    at::Tensor sum = at::empty({tokens, width}, word.options());
    if (has_device_kernels(word)) {
      sum_on_device(word, position, token_type, packed, sum);
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
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous();
    const std::int64_t padding_row = ctx->saved_data["padding_row"].toInt(),
                       position_padding_row = ctx->saved_data["position_padding_row"].toInt();
    const auto sum_of_all = [&](const at::Tensor& to) { to.select(0, 0).add_(grad.sum(0)); };
    const auto scatter = [&](const at::Tensor& rows, const at::Tensor& plan, std::int64_t skipped) {
      return [&grad, rows, plan, skipped](const at::Tensor& to) {
        if (has_device_kernels(grad))
          scatter_on_device(grad, rows, plan, skipped, to);
        else
          scatter_add(grad, rows, skipped, to);
      };
    };
    return {add_to_gradient(saved[0], scatter(saved[3], saved[5], padding_row)),
            add_to_gradient(saved[1], scatter(saved[4], saved[6], position_padding_row)),
            add_to_gradient(saved[2], sum_of_all),
            {},
            {},
            {}};
  }
};

}  // namespace

at::Tensor embed_tokens(const PackedTokens& tokens, const EmbeddingTables& tables) {
  return SummedEmbedding::apply(tables.word, tables.position, tables.token_type, tokens,
                                tables.padding_row, tables.position_padding_row);
}

}  // namespace attune
