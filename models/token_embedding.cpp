#include "models/token_embedding.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

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

class CpuTokenEmbedding : public torch::autograd::Function<CpuTokenEmbedding> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& word,
                            const at::Tensor& position, const at::Tensor& token_type,
                            const at::Tensor& ids, const at::Tensor& positions,
                            std::int64_t padding_row, std::int64_t position_padding_row) {
    ctx->save_for_backward({word, position, token_type, ids, positions});
    ctx->saved_data["padding_row"] = padding_row;
    ctx->saved_data["position_padding_row"] = position_padding_row;
    const std::int64_t tokens = ids.numel(), width = word.size(1);
    at::Tensor sum = at::empty({tokens, width}, word.options());
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
    const auto scatter = [&](const at::Tensor& rows, std::int64_t skipped) {
      return [&grad, rows, skipped](const at::Tensor& to) { scatter_add(grad, rows, skipped, to); };
    };
    return {
        add_to_gradient(saved[0], scatter(saved[3], ctx->saved_data["padding_row"].toInt())),
        add_to_gradient(saved[1],
                        scatter(saved[4], ctx->saved_data["position_padding_row"].toInt())),
        add_to_gradient(saved[2], [&](const at::Tensor& to) { to.select(0, 0).add_(grad.sum(0)); }),
        {},
        {},
        {},
        {}};
  }
};

}  // namespace

at::Tensor embed_tokens(const PackedTokens& tokens, const EmbeddingTables& tables) {
  if (tables.word.is_cuda())
    return at::embedding(tables.word, tokens.ids, tables.padding_row) +
           tables.token_type.select(0, 0) +
           at::embedding(tables.position, tokens.positions, tables.position_padding_row);
  return CpuTokenEmbedding::apply(tables.word, tables.position, tables.token_type, tokens.ids,
                                  tokens.positions, tables.padding_row,
                                  tables.position_padding_row);
}

}  // namespace attune
