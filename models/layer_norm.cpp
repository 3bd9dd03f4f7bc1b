#include "models/layer_norm.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/layer_norm.h"
#include "models/device_kernels.h"
#include "models/kernel_data.h"
#include "models/leaf_gradient.h"
#include "models/saved_dropout.h"

namespace attune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows of one partial sum of the gradients of weight and bias: fixed, so that their bits do not
// depend on the number of threads.
constexpr std::int64_t kRowsPerPart = 128;

AddLayerNorm make_norm(const at::Tensor& weight, const at::Tensor& bias, double epsilon,
                       const at::Tensor& token_uid, const at::Tensor& positions,
                       const Dropout& dropout) {
  AddLayerNorm norm;
  norm.width = weight.numel();
  norm.epsilon = static_cast<float>(epsilon);
  norm.weight = elements<float>(weight);
  norm.bias = elements<float>(bias);
  norm.dropout = dropout;
  norm.token_uid = elements<std::int64_t>(token_uid);
  norm.positions = elements<std::int32_t>(positions);
  return norm;
}

class FusedAddLayerNorm : public torch::autograd::Function<FusedAddLayerNorm> {
 public:
  // Two outputs, as Stream; in fp32 they share their memory.
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x,
                               const std::optional<at::Tensor>& residual, const at::Tensor& weight,
                               const at::Tensor& bias, double epsilon, const PackedTokens& tokens,
                               const Dropout& dropout, at::ScalarType compute, bool keep) {
    const AddLayerNorm norm =
        make_norm(weight, bias, epsilon, tokens.token_uid, tokens.positions, dropout);
    const at::TensorOptions fp32 = weight.options();
    const std::int64_t rows = x.size(0);
    const at::Tensor y = at::empty(x.sizes(), fp32);
    const at::Tensor narrowed =
        compute == at::kFloat ? at::Tensor() : at::empty(x.sizes(), fp32.dtype(compute));
    // A GPU keeps it in the type of the linears: backward reads half the bytes.
    const bool device = has_device_kernels(x);
    const at::Tensor normalized =
        keep ? at::empty(x.sizes(), device ? x.options() : fp32) : at::Tensor();
    const at::Tensor inverse_deviation = keep ? at::empty({rows}, fp32) : at::Tensor();
    with_element_type(x.scalar_type(), [&]<class T>(T) {
      // The narrow copy has the type of x: both are the type of the linears.
      AddLayerNormForward<T> data{elements<T>(x),
                                  residual ? elements<float>(*residual) : nullptr,
                                  mutable_elements<float>(y),
                                  mutable_elements<T>(narrowed),
                                  nullptr,
                                  mutable_elements<float>(inverse_deviation)};
      if (device) {
        data.normalized_narrow = mutable_elements<T>(normalized);
        return check_kernel(add_layer_norm_forward_cuda(norm, data, rows, current_stream(x)));
      }
      data.normalized = mutable_elements<float>(normalized);
      at::parallel_for(0, rows, 64, [&](std::int64_t begin, std::int64_t end) {
        add_layer_norm_forward_cpu(norm, data, begin, end);
      });
    });
    if (keep) {
      ctx->save_for_backward(
          {weight, normalized, inverse_deviation, tokens.token_uid, tokens.positions, bias});
      save_dropout(*ctx, dropout);
      ctx->saved_data["type"] = static_cast<std::int64_t>(x.scalar_type());
      ctx->saved_data["has_residual"] = residual.has_value();
      ctx->set_materialize_grads(false);
    }
    return {y, narrowed.defined() ? narrowed : y.detach()};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &weight = saved[0], &normalized = saved[1];
    const Dropout dropout = saved_dropout(*ctx);
    const AddLayerNorm norm = make_norm(weight, {}, 0, saved[3], saved[4], dropout);
    const auto type = static_cast<at::ScalarType>(ctx->saved_data["type"].toInt());
    const std::int64_t rows = normalized.size(0), parts = (rows + kRowsPerPart - 1) / kRowsPerPart;
    const at::Tensor wide = grads[0].defined() ? grads[0].contiguous() : at::Tensor();
    const at::Tensor narrowed = grads[1].defined() ? grads[1].to(type).contiguous() : at::Tensor();
    const at::Tensor grad_residual = at::empty(normalized.sizes(), weight.options());
    const bool separate = dropout.on() || type != at::kFloat;
    const at::Tensor grad_x =
        separate ? at::empty(normalized.sizes(), weight.options().dtype(type)) : at::Tensor();
    if (has_device_kernels(weight)) {
      const LeafGradient of_weight(weight), of_bias(saved[5]);
      const bool wanted = of_weight.target.defined() || of_bias.target.defined();
      const at::Tensor workspace =
          wanted ? kernel_workspace(weight, norm_workspace(rows, norm.width)) : at::Tensor();
      with_element_type(type, [&]<class T>(T) {
        AddLayerNormBackward<T> data{elements<float>(wide),
                                     elements<T>(narrowed),
                                     nullptr,
                                     elements<float>(saved[2]),
                                     mutable_elements<float>(grad_residual),
                                     mutable_elements<T>(grad_x),
                                     mutable_elements<float>(of_weight.target),
                                     mutable_elements<float>(of_bias.target)};
        data.normalized_narrow = elements<T>(normalized);
        check_kernel(add_layer_norm_backward_cuda(
            norm, data, rows, mutable_elements<float>(workspace), current_stream(weight)));
      });
      return {separate ? grad_x : grad_residual,
              ctx->saved_data["has_residual"].toBool() ? grad_residual : at::Tensor(),
              of_weight.for_autograd,
              of_bias.for_autograd,
              {},
              {},
              {},
              {},
              {}};
    }
    const at::Tensor partial = at::zeros({2, parts, norm.width}, weight.options());
    float* sums = mutable_elements<float>(partial);
    with_element_type(type, [&]<class T>(T) {
      AddLayerNormBackward<T> data{elements<float>(wide),
                                   elements<T>(narrowed),
                                   elements<float>(normalized),
                                   elements<float>(saved[2]),
                                   mutable_elements<float>(grad_residual),
                                   mutable_elements<T>(grad_x),
                                   nullptr,
                                   nullptr};
      at::parallel_for(0, parts, 1, [&](std::int64_t first, std::int64_t last) {
        AddLayerNormBackward<T> part = data;
        for (std::int64_t i = first; i < last; ++i) {
          part.grad_weight = sums + i * norm.width;
          part.grad_bias = sums + (parts + i) * norm.width;
          add_layer_norm_backward_cpu(norm, part, i * kRowsPerPart,
                                      std::min((i + 1) * kRowsPerPart, rows));
        }
      });
    });
    const at::Tensor totals = partial.sum(1);
    return {separate ? grad_x : grad_residual,
            ctx->saved_data["has_residual"].toBool() ? grad_residual : at::Tensor(),
            totals.select(0, 0),
            totals.select(0, 1),
            {},
            {},
            {},
            {},
            {}};
  }
};

}  // namespace

Stream add_layer_norm(const at::Tensor& x, const at::Tensor& residual, const LayerNorm& norm,
                      const PackedTokens& tokens, const Dropout& mask, at::ScalarType compute) {
  const bool keep =
      at::GradMode::is_enabled() && (x.requires_grad() || norm.weight.requires_grad() ||
                                     (residual.defined() && residual.requires_grad()));
  const auto outputs = FusedAddLayerNorm::apply(
      x.to(compute).contiguous(), residual.defined() ? std::optional(residual) : std::nullopt,
      norm.weight, norm.bias, norm.epsilon, tokens, mask, compute, keep);
  return {outputs[0], outputs[1]};
}

}  // namespace attune
