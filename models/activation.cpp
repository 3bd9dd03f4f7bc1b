#include "models/activation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tanh.h>

#include "core/error.h"

namespace attune {

const std::vector<const char*>& activation_names() {
  static const std::vector<const char*> names = {
      "gelu", "gelu_python", "gelu_new", "gelu_fast", "gelu_pytorch_tanh",
      "relu", "silu",        "swish",    "tanh",      "quick_gelu"};
  return names;
}

bool is_erf_gelu(const std::string& name) { return name == "gelu" || name == "gelu_python"; }

at::Tensor activate(const std::string& name, const at::Tensor& x) {
  if (is_erf_gelu(name)) return at::gelu(x);
  if (name.starts_with("gelu_")) return at::gelu(x, "tanh");
  if (name == "relu") return at::relu(x);
  if (name == "silu" || name == "swish") return at::silu(x);
  if (name == "tanh") return at::tanh(x);
  if (name == "quick_gelu") return x * at::sigmoid(x * 1.702);
  throw InternalError("unknown activation " + name);
}

}  // namespace attune
