// Gated linear units (kernels/glu.h gives the formula), differentiable: an own kernel on the
// processor, ATen's operators on CUDA.
#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "kernels/glu.h"

namespace attune {

// Of config.json's "hidden_act" and its like. glu_activations() are the names it knows.
GluActivation glu_activation(const std::string& name);
const std::vector<const char*>& glu_activations();

// z [n, 2 * width], fp32 or bf16, to [n, width]: f(one half) * the other half.
at::Tensor gated(const at::Tensor& z, GluActivation activation, bool activated_first = true);

}  // namespace attune
