#include "models/linear.h"

#include <tuple>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.h"
#include "kernels/gelu.h"
#include "models/device_kernels.h"
#include "models/dropout.h"
#include "models/kernel_data.h"
#include "models/leaf_gradient.h"
#include "models/quantized_linear.h"

namespace attune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Whether ATen's own products are the fast ones: on CUDA, for bf16 (oneDNN), and for fp32 where the
// processor is of MKL's maker; on others MKL takes a path half as fast as oneDNN's.
bool aten_is_fast(const at::Tensor& x) {
  static const bool intel = __builtin_cpu_is("intel");
  return x.is_cuda() || x.scalar_type() != at::kFloat || intel;
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
  return aten_is_fast(x) ? at::linear(x, weight, bias) : onednn_linear(x, weight, bias);
}

// grad W
at::Tensor gradient_of_input(const at::Tensor& grad, const at::Tensor& weight) {
  return aten_is_fast(grad) ? at::mm(grad, weight) : onednn_linear(grad, weight.t(), {});
}

// to += grad^T x, `to` fp32
void add_gradient_of_weight(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& to) {
  if (!aten_is_fast(grad)) {
    // The operator copies a transposed left factor: of the two, the narrower.
    if (x.size(1) < grad.size(1))
      to.t().add_(onednn_linear(x.t(), grad.t(), {}));
    else
      to.add_(onednn_linear(grad.t(), x.t(), {}));
  } else if (grad.scalar_type() == at::kFloat) {
    to.addmm_(grad.t(), x);
  } else if (grad.is_cuda()) {
    to.add_(at::mm(grad.t(), x, at::kFloat));
  } else {
    to.add_(at::mm(grad.t(), x));
  }
}

// to += the sums of its columns, `to` fp32
void add_gradient_of_bias(const at::Tensor& grad, const at::Tensor& to) {
  if (!has_device_kernels(grad)) {
    to.add_(grad.sum(0, false, at::kFloat));
    return;
  }
  const std::int64_t rows = grad.size(0), columns = grad.size(1);
  const at::Tensor workspace = kernel_workspace(grad, column_sums_workspace(rows, columns));
  with_element_type(grad.scalar_type(), [&]<class T>(T) {
    check_kernel(add_column_sums_cuda(elements<T>(grad), mutable_elements<float>(to),
                                      mutable_elements<float>(workspace), rows, columns,
                                      current_stream(grad)));
  });
}

// y <- gelu(y + bias); `derivative`, if defined, gets its derivative. A bias only on a device.
void apply_gelu(const at::Tensor& y, const at::Tensor& bias, const at::Tensor& derivative) {
  with_element_type(y.scalar_type(), [&]<class T>(T) {
    T* values = mutable_elements<T>(y);
    T* slope = mutable_elements<T>(derivative);
    if (has_device_kernels(y))
      return check_kernel(bias_gelu_forward_cuda(values, elements<float>(bias), values, slope,
                                                 y.size(0), y.size(1), current_stream(y)));
    ATTUNE_ASSERT(!bias.defined());
    at::parallel_for(0, y.numel(), 16384, [&](std::int64_t begin, std::int64_t end) {
      gelu_cpu(values, values, slope, begin, end);
    });
  });
}

using OptionalTensor = std::optional<at::Tensor>;  // what a Function takes where one may be missing

// `working` where it is of the type of the products, else `parameter` rounded to it.
at::Tensor rounded(const at::Tensor& parameter, const at::Tensor& working, at::ScalarType compute) {
  if (working.defined() && working.scalar_type() == compute) return working;
  return parameter.defined() ? parameter.to(compute) : at::Tensor();
}

class FusedLinear : public torch::autograd::Function<FusedLinear> {
 public:
  // Weight and bias are those of the layer, the fp32 parameters: their rounding stands in here, so
  // that backward reaches them themselves. `addend` [n, out] of type `compute`.
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const OptionalTensor& bias, const OptionalTensor& addend,
                            const Linear& layer, bool gelu, at::ScalarType compute, bool keep) {
    const at::Tensor factor = rounded(weight, layer.working, compute);
    // A device's GELU adds the bias itself.
    const bool late_bias = gelu && has_device_kernels(x);
    at::Tensor y = multiply(
        x, factor, late_bias ? at::Tensor() : rounded(layer.bias, layer.working_bias, compute));
    if (addend) y.add_(*addend);
    at::Tensor derivative;
    if (gelu) {
      if (keep) derivative = at::empty_like(y);
      apply_gelu(y, late_bias ? bias.value_or(at::Tensor()) : at::Tensor(), derivative);
    }
    if (keep) {
      // x is for the gradient of the weight alone: where that is frozen, it is not kept.
      ctx->save_for_backward({weight.requires_grad() ? x : at::Tensor(), weight,
                              bias.value_or(at::Tensor()), factor, derivative});
      // Autograd counts the tensors that are there.
      ctx->saved_data["addend"] = static_cast<std::int64_t>(addend ? (bias ? 3 : 2) : -1);
    }
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &derivative = saved[4];
    at::Tensor grad = grads[0].contiguous(), grad_bias;
    if (derivative.defined() && has_device_kernels(grad)) {
      std::tie(grad, grad_bias) = gelu_backward(grad, derivative, saved[2]);
    } else {
      if (derivative.defined()) grad = grad * derivative;
      grad_bias =
          add_to_gradient(saved[2], [&](const at::Tensor& to) { add_gradient_of_bias(grad, to); });
    }
    const std::int64_t addend = ctx->saved_data["addend"].toInt();
    return {ctx->needs_input_grad(0) ? gradient_of_input(grad, saved[3]) : at::Tensor(),
            add_to_gradient(saved[1],
                            [&](const at::Tensor& to) { add_gradient_of_weight(grad, x, to); }),
            grad_bias,
            addend >= 0 && ctx->needs_input_grad(addend) ? grad : at::Tensor(),
            {},
            {},
            {},
            {}};
  }

 private:
  // The gradient before the GELU, that of the bias added on the way, and what autograd must be
  // given of the latter.
  static std::tuple<at::Tensor, at::Tensor> gelu_backward(const at::Tensor& grad,
                                                          const at::Tensor& derivative,
                                                          const at::Tensor& bias) {
    const at::Tensor before = at::empty_like(grad);
    const LeafGradient of_bias(bias);
    const std::int64_t rows = grad.size(0), columns = grad.size(1);
    const at::Tensor workspace = of_bias.target.defined()
                                     ? kernel_workspace(grad, column_sums_workspace(rows, columns))
                                     : at::Tensor();
    with_element_type(grad.scalar_type(), [&]<class T>(T) {
      check_kernel(bias_gelu_backward_cuda(
          elements<T>(grad), elements<T>(derivative), mutable_elements<T>(before),
          mutable_elements<float>(of_bias.target), mutable_elements<float>(workspace), rows,
          columns, current_stream(grad)));
    });
    return {before, of_bias.for_autograd};
  }
};

at::Tensor served(const at::Tensor& x, const Linear& layer, bool gelu) {
  at::Tensor y = layer.scales.defined()
                     ? quantized_linear(x, layer)
                     : onednn_linear(x, layer.packed, rounded(layer.bias, {}, x.scalar_type()));
  if (gelu) apply_gelu(y, {}, {});
  return y;
}

// The type of x for which `packed` stands in.
at::ScalarType served_type(const Linear& layer) {
  return layer.scales.defined() ? at::kBFloat16 : layer.packed.scalar_type();
}

bool needs_gradient(const at::Tensor& tensor) { return tensor.defined() && tensor.requires_grad(); }

at::Tensor apply(const at::Tensor& x, const Linear& layer, const at::Tensor& addend,
                 at::ScalarType compute, bool gelu) {
  const at::Tensor input = x.to(compute);
  const bool keep =
      at::GradMode::is_enabled() && (needs_gradient(x) || needs_gradient(layer.weight) ||
                                     needs_gradient(layer.bias) || needs_gradient(addend));
  if (!keep && layer.packed.defined() && served_type(layer) == compute)
    return served(input, layer, gelu);
  const auto optional = [](const at::Tensor& tensor) {
    return tensor.defined() ? OptionalTensor(tensor) : std::nullopt;
  };
  return FusedLinear::apply(input, layer.weight, optional(layer.bias), optional(addend), layer,
                            gelu, compute, keep);
}

// scale * dropout(x) A^T B^T, [n, rows] of type `compute`. The scale stands at the narrow place.
at::Tensor low_rank_product(const at::Tensor& x, const LowRank& part, const PackedTokens& tokens,
                            const ForwardOptions& options) {
  const at::Tensor kept = dropout(
      x, tokens, options.mask(options.training ? part.dropout : 0, part.encoder_layer, part.site));
  const at::Tensor inner = linear(kept, Linear{part.a, {}}, options.compute) * part.scale;
  return linear(inner, Linear{part.b, {}}, options.compute);
}

// All of them side by side, [n, out]; undefined where the layer has none.
at::Tensor low_rank_sum(const at::Tensor& x, const Linear& layer, const PackedTokens& tokens,
                        const ForwardOptions& options) {
  if (layer.low_rank.empty()) return {};
  ATTUNE_ASSERT(!layer.packed.defined());
  std::vector<at::Tensor> columns;
  std::int64_t next = 0;
  const auto fill_to = [&](std::int64_t column) {
    if (column > next)
      columns.push_back(at::zeros({x.size(0), column - next}, x.options().dtype(options.compute)));
  };
  for (const LowRank& part : layer.low_rank) {
    fill_to(part.first_row);
    columns.push_back(low_rank_product(x, part, tokens, options));
    next = part.first_row + part.b.size(0);
  }
  fill_to(layer.weight.size(0));
  return columns.size() == 1 ? columns[0] : at::cat(columns, 1);
}

}  // namespace

void pack(Linear& layer, at::ScalarType products) {
  if (layer.weight.is_cuda()) {
    if (products == layer.weight.scalar_type()) return;
    layer.working = layer.weight.detach().to(products);
    if (layer.bias.defined()) layer.working_bias = layer.bias.detach().to(products);
    return;
  }
  if (products == at::kChar) return quantize_weight(layer);
  using Signature = at::Tensor(const at::Tensor&, std::optional<std::int64_t>);
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_reorder_linear_weight", "")
                             .typed<Signature>();
  const at::NoGradGuard no_grad;
  layer.packed = op.call(layer.weight.detach().to(products), std::nullopt);
}

at::Tensor linear(const at::Tensor& x, const Linear& layer, at::ScalarType compute) {
  return apply(x, layer, /*addend=*/{}, compute, /*gelu=*/false);
}

at::Tensor linear(const at::Tensor& x, const Linear& layer, const PackedTokens& tokens,
                  const ForwardOptions& options) {
  return apply(x, layer, low_rank_sum(x, layer, tokens, options), options.compute, /*gelu=*/false);
}

at::Tensor linear_gelu(const at::Tensor& x, const Linear& layer, const PackedTokens& tokens,
                       const ForwardOptions& options) {
  return apply(x, layer, low_rank_sum(x, layer, tokens, options), options.compute, /*gelu=*/true);
}

}  // namespace attune
