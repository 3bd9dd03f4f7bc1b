#include "models/glu.h"

#include <utility>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/silu.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.h"
#include "models/kernel_data.h"

namespace attune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::pair<const char*, GluActivation> kNames[] = {
    {"gelu", GluActivation::kGelu},
    {"gelu_new", GluActivation::kGeluTanh},
    {"gelu_pytorch_tanh", GluActivation::kGeluTanh},
    {"silu", GluActivation::kSilu},
    {"swish", GluActivation::kSilu},
};

class CpuGlu : public torch::autograd::Function<CpuGlu> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& z, const Glu& glu) {
    const at::Tensor y = at::empty({z.size(0), glu.width}, z.options());
    with_element_type(z.scalar_type(), [&]<class T>(T) {
      at::parallel_for(0, z.size(0), 16, [&](std::int64_t begin, std::int64_t end) {
        glu_forward_cpu(glu, elements<T>(z), mutable_elements<T>(y), begin, end);
      });
    });
    ctx->save_for_backward({z});
    ctx->saved_data["activation"] = static_cast<std::int64_t>(glu.activation);
    ctx->saved_data["activated_first"] = glu.activated_first;
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor z = ctx->get_saved_variables()[0], grad = grads[0].contiguous();
    const Glu glu{static_cast<GluActivation>(ctx->saved_data["activation"].toInt()), grad.size(1),
                  ctx->saved_data["activated_first"].toBool()};
    const at::Tensor grad_z = at::empty_like(z);
    with_element_type(z.scalar_type(), [&]<class T>(T) {
      at::parallel_for(0, z.size(0), 16, [&](std::int64_t begin, std::int64_t end) {
        glu_backward_cpu(glu, elements<T>(z), elements<T>(grad), mutable_elements<T>(grad_z), begin,
                         end);
      });
    });
    return {grad_z, {}};
  }
};

at::Tensor activated(const at::Tensor& x, GluActivation activation) {
  switch (activation) {
    case GluActivation::kGelu:
      return at::gelu(x);
    case GluActivation::kGeluTanh:
      return at::gelu(x, "tanh");
    case GluActivation::kSilu:
      return at::silu(x);
  }
  throw InternalError("unknown activation");
}

}  // namespace

GluActivation glu_activation(const std::string& name) {
  for (const auto& [known, activation] : kNames)
    if (name == known) return activation;
  throw InternalError("unknown activation " + name);
}

const std::vector<const char*>& glu_activations() {
  static const std::vector<const char*> names = [] {
    std::vector<const char*> all;
    for (const auto& [name, activation] : kNames) all.push_back(name);
    return all;
  }();
  return names;
}

at::Tensor gated(const at::Tensor& z, GluActivation activation, bool activated_first) {
  const std::int64_t width = z.size(1) / 2;
  if (!z.is_cuda()) return CpuGlu::apply(z.contiguous(), Glu{activation, width, activated_first});
  const at::Tensor first = z.narrow(1, 0, width), second = z.narrow(1, width, width);
  return activated_first ? activated(first, activation) * second
                         : first * activated(second, activation);
}

}  // namespace attune
