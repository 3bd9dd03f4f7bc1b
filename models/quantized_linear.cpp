#include "models/quantized_linear.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "core/error.h"
#include "kernels/quantize.h"
#include "models/kernel_data.h"

namespace attune {
namespace {

// Private operators, so they are named in this one place.
at::Tensor prepack(const at::Tensor& weight) {
  using Shape = std::optional<c10::List<std::int64_t>>;
  using Signature = at::Tensor(at::Tensor, Shape);
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("onednn::qlinear_prepack", "")
                             .typed<Signature>();
  static const Shape any_shape;
  return op.call(weight, any_shape);
}

// sum_k (q_ik - kQuantizedZero) w_jk scales_j, in bf16.
at::Tensor multiply(const at::Tensor& q, const Linear& layer) {
  using Signature =
      at::Tensor(at::Tensor, double, std::int64_t, at::Tensor, at::Tensor, at::Tensor,
                 std::optional<at::Tensor>, double, std::int64_t, std::optional<at::ScalarType>,
                 c10::string_view, c10::List<std::optional<at::Scalar>>, c10::string_view);
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("onednn::qlinear_pointwise", "")
                             .typed<Signature>();
  const at::Tensor zero_points = at::zeros(layer.scales.sizes(), at::kLong);
  return op.call(q, 1, kQuantizedZero, layer.packed, layer.scales, zero_points, std::nullopt, 1, 0,
                 at::kBFloat16, "none", c10::List<std::optional<at::Scalar>>(), "");
}

}  // namespace

bool has_int8_products() {
  return __builtin_cpu_supports("avx512vnni") || __builtin_cpu_supports("avxvnni");
}

void quantize_weight(Linear& layer) {
  ATTUNE_ASSERT(has_int8_products());
  const at::NoGradGuard no_grad;
  const at::Tensor weight = layer.weight.detach();
  const at::Tensor scales = weight.abs().amax(1) / 127;
  // A row of zeros stays one.
  const at::Tensor divisors = at::where(scales > 0, scales, at::ones_like(scales));
  layer.scales = scales;
  layer.packed = prepack((weight / divisors.unsqueeze(1)).round().to(at::kChar));
}

at::Tensor quantized_linear(const at::Tensor& x, const Linear& layer) {
  const std::int64_t rows = x.size(0);
  const at::Tensor q = at::empty(x.sizes(), x.options().dtype(at::kByte));
  const at::Tensor row_scales = at::empty({rows}, layer.scales.options());
  at::parallel_for(0, rows, 64, [&](std::int64_t begin, std::int64_t end) {
    quantize_rows_cpu(elements<BFloat16>(x), x.size(1), mutable_elements<std::uint8_t>(q),
                      mutable_elements<float>(row_scales), begin, end);
  });
  at::Tensor y = multiply(q, layer);
  at::parallel_for(0, rows, 64, [&](std::int64_t begin, std::int64_t end) {
    rescale_rows_cpu(mutable_elements<BFloat16>(y), y.size(1), elements<float>(row_scales),
                     elements<float>(layer.bias), begin, end);
  });
  return y;
}

}  // namespace attune
