// How hand-written backward functions reach the gradient of a parameter.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros_like.h>

namespace attune {

// `add` adds to the tensor it is given. Where the leaf has a gradient already (a view of the arena,
// see ParameterStore::enable_training) it is that one: no matrix of its size is made and added,
// and autograd is given nothing. Else it is a new one, returned for autograd.
template <class Add>
at::Tensor add_to_gradient(const at::Tensor& leaf, const Add& add) {
  if (!leaf.requires_grad()) return {};
  const bool has_one = leaf.is_leaf() && leaf.grad().defined();
  at::Tensor gradient = has_one ? leaf.grad() : at::zeros_like(leaf);
  add(gradient);
  return has_one ? at::Tensor() : gradient;
}

}  // namespace attune
