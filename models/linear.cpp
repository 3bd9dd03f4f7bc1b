#include "models/linear.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/gelu.h"
#include "models/kernel_data.h"
#include "models/leaf_gradient.h"
#include "models/quantized_linear.h"

namespace attune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Whether ATen's own products are the fast ones: for bf16 always (oneDNN), for fp32 where the
// processor is of MKL's maker; on others MKL takes a path half as fast as oneDNN's.
bool aten_is_fast(at::ScalarType type) {
  static const bool intel = __builtin_cpu_is("intel");
  return type != at::kFloat || intel;
}

// Hazard 6 of research: a private operator, so it is named in this one place. Outside an
// autograd::Function its backward would only warn and leave the gradient missing.
at::Tensor onednn_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  using Signature = at::Tensor(
      const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, c10::string_view,
      c10::List<std::optional<at::Scalar>>, std::optional<c10::string_view>);
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
                             .typed<Signature>();
  return op.call(x, weight, bias.defined() ? std::optional(bias) : std::nullopt, "none",
                 c10::List<std::optional<at::Scalar>>(), std::nullopt);
}

// x W^T + b
at::Tensor multiply(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return aten_is_fast(x.scalar_type()) ? at::linear(x, weight, bias)
                                       : onednn_linear(x, weight, bias);
}

// grad W
at::Tensor gradient_of_input(const at::Tensor& grad, const at::Tensor& weight) {
  return aten_is_fast(grad.scalar_type()) ? at::mm(grad, weight)
                                          : onednn_linear(grad, weight.t(), {});
}

// to += grad^T x, `to` fp32
void add_gradient_of_weight(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& to) {
  if (!aten_is_fast(grad.scalar_type())) {
    // The operator copies a transposed left factor: of the two, the narrower.
    if (x.size(1) < grad.size(1))
      to.t().add_(onednn_linear(x.t(), grad.t(), {}));
    else
      to.add_(onednn_linear(grad.t(), x.t(), {}));
  } else if (grad.scalar_type() == at::kFloat) {
    to.addmm_(grad.t(), x);
  } else {
    to.add_(at::mm(grad.t(), x));
  }
}

// y <- gelu(y); `derivative`, if defined, gets its derivative.
void apply_gelu(const at::Tensor& y, const at::Tensor& derivative) {
  with_element_type(y.scalar_type(), [&]<class T>(T) {
    T* values = mutable_elements<T>(y);
    T* slope = mutable_elements<T>(derivative);
    at::parallel_for(0, y.numel(), 16384, [&](std::int64_t begin, std::int64_t end) {
      gelu_cpu(values, values, slope, begin, end);
    });
  });
}

class CpuLinear : public torch::autograd::Function<CpuLinear> {
 public:
  // Weight and bias are the fp32 parameters: their rounding stands in here, so that backward
  // reaches them themselves.
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, bool gelu, at::ScalarType compute, bool keep) {
    const at::Tensor rounded = weight.to(compute);
    at::Tensor y = multiply(x, rounded, bias.to(compute));
    at::Tensor derivative;
    if (gelu) {
      if (keep) derivative = at::empty_like(y);
      apply_gelu(y, derivative);
    }
    if (keep) ctx->save_for_backward({x, weight, bias, rounded, derivative});
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &derivative = saved[4];
    const at::Tensor grad = derivative.defined() ? grads[0] * derivative : grads[0].contiguous();
    return {ctx->needs_input_grad(0) ? gradient_of_input(grad, saved[3]) : at::Tensor(),
            add_to_gradient(saved[1],
                            [&](const at::Tensor& to) { add_gradient_of_weight(grad, x, to); }),
            add_to_gradient(saved[2],
                            [&](const at::Tensor& to) { to.add_(grad.sum(0, false, at::kFloat)); }),
            {},
            {},
            {}};
  }
};

at::Tensor served(const at::Tensor& x, const Linear& layer, bool gelu) {
  at::Tensor y = layer.scales.defined()
                     ? quantized_linear(x, layer)
                     : onednn_linear(x, layer.packed, layer.bias.to(x.scalar_type()));
  if (gelu) apply_gelu(y, {});
  return y;
}

// The type of x for which `packed` stands in.
at::ScalarType served_type(const Linear& layer) {
  return layer.scales.defined() ? at::kBFloat16 : layer.packed.scalar_type();
}

at::Tensor apply(const at::Tensor& x, const Linear& layer, at::ScalarType compute, bool gelu) {
  const at::Tensor input = x.to(compute);
  if (x.is_cuda()) {
    const at::Tensor y = at::linear(input, layer.weight.to(compute), layer.bias.to(compute));
    return gelu ? at::gelu(y) : y;
  }
  const bool keep =
      at::GradMode::is_enabled() && (x.requires_grad() || layer.weight.requires_grad());
  if (!keep && layer.packed.defined() && served_type(layer) == compute)
    return served(input, layer, gelu);
  return CpuLinear::apply(input, layer.weight, layer.bias, gelu, compute, keep);
}

}  // namespace

void pack(Linear& layer, at::ScalarType products) {
  if (layer.weight.is_cuda()) return;
  if (products == at::kChar) return quantize_weight(layer);
  using Signature = at::Tensor(const at::Tensor&, std::optional<std::int64_t>);
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_reorder_linear_weight", "")
                             .typed<Signature>();
  const at::NoGradGuard no_grad;
  layer.packed = op.call(layer.weight.detach().to(products), std::nullopt);
}

at::Tensor linear(const at::Tensor& x, const Linear& layer, at::ScalarType compute) {
  return apply(x, layer, compute, /*gelu=*/false);
}

at::Tensor linear_gelu(const at::Tensor& x, const Linear& layer, at::ScalarType compute) {
  return apply(x, layer, compute, /*gelu=*/true);
}

}  // namespace attune
