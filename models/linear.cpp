#include "models/linear.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.h"
#include "kernels/gelu.h"
#include "models/dropout.h"
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

using OptionalTensor = std::optional<at::Tensor>;  // what a Function takes where one may be missing

at::Tensor rounded_bias(const at::Tensor& bias, at::ScalarType compute) {
  return bias.defined() ? bias.to(compute) : at::Tensor();
}

class CpuLinear : public torch::autograd::Function<CpuLinear> {
 public:
  // Weight and bias are the fp32 parameters: their rounding stands in here, so that backward
  // reaches them themselves. `addend` [n, out] of type `compute`.
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const OptionalTensor& bias, const OptionalTensor& addend, bool gelu,
                            at::ScalarType compute, bool keep) {
    const at::Tensor rounded = weight.to(compute);
    at::Tensor y = multiply(x, rounded, bias ? bias->to(compute) : at::Tensor());
    if (addend) y.add_(*addend);
    at::Tensor derivative;
    if (gelu) {
      if (keep) derivative = at::empty_like(y);
      apply_gelu(y, derivative);
    }
    if (keep) {
      // x is for the gradient of the weight alone: where that is frozen, it is not kept.
      ctx->save_for_backward({weight.requires_grad() ? x : at::Tensor(), weight,
                              bias.value_or(at::Tensor()), rounded, derivative});
      // Autograd counts the tensors that are there.
      ctx->saved_data["addend"] = static_cast<std::int64_t>(addend ? (bias ? 3 : 2) : -1);
    }
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &derivative = saved[4];
    const at::Tensor grad = derivative.defined() ? grads[0] * derivative : grads[0].contiguous();
    const std::int64_t addend = ctx->saved_data["addend"].toInt();
    return {ctx->needs_input_grad(0) ? gradient_of_input(grad, saved[3]) : at::Tensor(),
            add_to_gradient(saved[1],
                            [&](const at::Tensor& to) { add_gradient_of_weight(grad, x, to); }),
            add_to_gradient(saved[2],
                            [&](const at::Tensor& to) { to.add_(grad.sum(0, false, at::kFloat)); }),
            addend >= 0 && ctx->needs_input_grad(addend) ? grad : at::Tensor(),
            {},
            {},
            {}};
  }
};

at::Tensor served(const at::Tensor& x, const Linear& layer, bool gelu) {
  at::Tensor y = layer.scales.defined()
                     ? quantized_linear(x, layer)
                     : onednn_linear(x, layer.packed, rounded_bias(layer.bias, x.scalar_type()));
  if (gelu) apply_gelu(y, {});
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
  if (x.is_cuda()) {
    at::Tensor y = at::linear(input, layer.weight.to(compute), rounded_bias(layer.bias, compute));
    if (addend.defined()) y = y + addend;
    return gelu ? at::gelu(y) : y;
  }
  const bool keep =
      at::GradMode::is_enabled() && (needs_gradient(x) || needs_gradient(layer.weight) ||
                                     needs_gradient(layer.bias) || needs_gradient(addend));
  if (!keep && layer.packed.defined() && served_type(layer) == compute)
    return served(input, layer, gelu);
  const auto optional = [](const at::Tensor& tensor) {
    return tensor.defined() ? OptionalTensor(tensor) : std::nullopt;
  };
  return CpuLinear::apply(input, layer.weight, optional(layer.bias), optional(addend), gelu,
                          compute, keep);
}

// scale * dropout(x) A^T B^T, [n, rows] of type `compute`. The scale stands at the narrow place.
at::Tensor low_rank_product(const at::Tensor& x, const LowRank& part, const PackedTokens& tokens,
                            const ForwardOptions& options) {
  const at::Tensor kept = dropout(x, tokens,
                                  Dropout::make(options.training ? part.dropout : 0, options.seed,
                                                options.step, part.encoder_layer, part.site));
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
