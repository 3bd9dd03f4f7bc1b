#include "models/rms_norm.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/rms_norm.h"
#include "models/kernel_data.h"

namespace attune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows of one partial sum of the weight's gradient: fixed, so that its bits do not depend on the
// number of threads.
constexpr std::int64_t kRowsPerPart = 128;

// Some heads, side by side, of each row: at `column`.
struct Heads {
  std::int64_t column = 0;
  int count = 1;
  double epsilon = 0, offset = 0;
};

RmsNorm make_norm(const at::Tensor& x, const Heads& heads, const at::Tensor& weight) {
  return {x.size(1),
          heads.count,
          static_cast<int>(weight.numel()),
          static_cast<float>(heads.epsilon),
          static_cast<float>(heads.offset),
          elements<float>(weight)};
}

void norm_into(const at::Tensor& x, const Heads& heads, const at::Tensor& weight,
               const at::Tensor& y) {
  const RmsNorm norm = make_norm(x, heads, weight);
  with_element_type(x.scalar_type(), [&]<class T>(T) {
    at::parallel_for(0, x.size(0), 64, [&](std::int64_t begin, std::int64_t end) {
      rms_norm_forward_cpu(norm, elements<T>(x) + heads.column,
                           mutable_elements<T>(y) + heads.column, begin, end);
    });
  });
}

// In place of grad, which is of y, the one of x; returns the weight's.
at::Tensor norm_back(const at::Tensor& x, const Heads& heads, const at::Tensor& weight,
                     const at::Tensor& grad) {
  const RmsNorm norm = make_norm(x, heads, weight);
  const std::int64_t rows = x.size(0), parts = (rows + kRowsPerPart - 1) / kRowsPerPart;
  const at::Tensor sums = at::zeros({parts, weight.numel()}, weight.options());
  with_element_type(x.scalar_type(), [&]<class T>(T) {
    T* gradient = mutable_elements<T>(grad) + heads.column;
    at::parallel_for(0, parts, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i)
        rms_norm_backward_cpu(norm, elements<T>(x) + heads.column, gradient, gradient,
                              mutable_elements<float>(sums) + i * weight.numel(), i * kRowsPerPart,
                              std::min((i + 1) * kRowsPerPart, rows));
    });
  });
  return sums.sum(0);
}

Heads saved_heads(AutogradContext& context, const char* name) {
  const auto numbers = context.saved_data.at(name).toDoubleVector();
  return {static_cast<std::int64_t>(numbers[0]), static_cast<int>(numbers[1]), numbers[2],
          numbers[3]};
}

void save_heads(AutogradContext& context, const char* name, const Heads& heads) {
  context.saved_data[name] =
      std::vector<double>{static_cast<double>(heads.column), static_cast<double>(heads.count),
                          heads.epsilon, heads.offset};
}

class CpuRmsNorm : public torch::autograd::Function<CpuRmsNorm> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const Heads& heads) {
    const at::Tensor y = at::empty_like(x);
    norm_into(x, heads, weight, y);
    ctx->save_for_backward({x, weight});
    save_heads(*ctx, "heads", heads);
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor grad = grads[0].clone(at::MemoryFormat::Contiguous);
    const at::Tensor grad_weight = norm_back(saved[0], saved_heads(*ctx, "heads"), saved[1], grad);
    return {grad, grad_weight, {}};
  }
};

class CpuQueryKeyNorm : public torch::autograd::Function<CpuQueryKeyNorm> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& qkv, const at::Tensor& query,
                            const at::Tensor& key, const Heads& query_heads,
                            const Heads& key_heads) {
    const at::Tensor y = qkv.clone();  // the values, and what the norms write over
    norm_into(qkv, query_heads, query, y);
    norm_into(qkv, key_heads, key, y);
    ctx->save_for_backward({qkv, query, key});
    save_heads(*ctx, "query", query_heads);
    save_heads(*ctx, "key", key_heads);
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor grad = grads[0].clone(at::MemoryFormat::Contiguous);
    const at::Tensor grad_query = norm_back(saved[0], saved_heads(*ctx, "query"), saved[1], grad);
    const at::Tensor grad_key = norm_back(saved[0], saved_heads(*ctx, "key"), saved[2], grad);
    return {grad, grad_query, grad_key, {}, {}};
  }
};

at::Tensor norm_by_operators(const at::Tensor& x, const RmsNormWeight& norm) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor inverse = at::rsqrt((wide * wide).mean({-1}, true) + norm.epsilon);
  return (wide * inverse * (norm.weight + norm.offset)).to(x.scalar_type());
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const RmsNormWeight& norm) {
  if (x.is_cuda()) return norm_by_operators(x, norm);
  return CpuRmsNorm::apply(x.contiguous(), norm.weight, Heads{0, 1, norm.epsilon, norm.offset});
}

at::Tensor norm_query_and_key(const at::Tensor& qkv, const RmsNormWeight& query,
                              const RmsNormWeight& key, int heads, int kv_heads) {
  const std::int64_t width = query.weight.numel();
  if (qkv.is_cuda()) {
    const at::Tensor parts = qkv.unflatten(1, {heads + 2 * kv_heads, width});
    return at::cat({norm_by_operators(parts.narrow(1, 0, heads), query),
                    norm_by_operators(parts.narrow(1, heads, kv_heads), key),
                    parts.narrow(1, heads + kv_heads, kv_heads)},
                   1)
        .flatten(1);
  }
  return CpuQueryKeyNorm::apply(qkv.contiguous(), query.weight, key.weight,
                                Heads{0, heads, query.epsilon, query.offset},
                                Heads{heads * width, kv_heads, key.epsilon, key.offset});
}

}  // namespace attune
