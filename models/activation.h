// The activations that config.json names ("hidden_act" and its like), as transformers computes
// them.
#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace attune {

// gelu, gelu_python              erf
// gelu_new, gelu_fast, gelu_pytorch_tanh   tanh approximation
// relu, silu, swish, tanh, quick_gelu (x sigmoid(1.702 x))
const std::vector<const char*>& activation_names();

// True for the names of erf GELU, which models/linear.h computes with the product.
bool is_erf_gelu(const std::string& name);

// Differentiable, of x's type and shape. `name` is one of activation_names().
at::Tensor activate(const std::string& name, const at::Tensor& x);

}  // namespace attune
