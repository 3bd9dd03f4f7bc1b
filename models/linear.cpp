#include "models/linear.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>
#include <torch/csrc/autograd/custom_function.h>

namespace attune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Hazard 6 of research: a private operator, so it is named in this one place. Outside an
// autograd::Function its backward would only warn and leave the gradient missing.
at::Tensor onednn_linear(const at::Tensor& x, const at::Tensor& weight,
                         const std::optional<at::Tensor>& bias) {
  using Signature = at::Tensor(
      const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, c10::string_view,
      c10::List<std::optional<at::Scalar>>, std::optional<c10::string_view>);
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
                             .typed<Signature>();
  return op.call(x, weight, bias, "none", c10::List<std::optional<at::Scalar>>(), std::nullopt);
}

class CpuLinear : public torch::autograd::Function<CpuLinear> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    ctx->save_for_backward({x, weight});
    return onednn_linear(x, weight, bias);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor grad = grads[0].contiguous();
    at::Tensor grad_x;
    if (ctx->needs_input_grad(0)) grad_x = onednn_linear(grad, weight.t(), std::nullopt);
    return {grad_x, onednn_linear(grad.t(), x.t(), std::nullopt), grad.sum(0)};
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const Linear& layer, at::ScalarType compute) {
  const at::Tensor input = x.to(compute), weight = layer.weight.to(compute),
                   bias = layer.bias.to(compute);
  if (x.is_cuda()) return at::linear(input, weight, bias);
  return CpuLinear::apply(input, weight, bias);
}

}  // namespace attune
