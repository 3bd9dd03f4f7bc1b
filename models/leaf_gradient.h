// How hand-written backward functions reach the gradient of a parameter.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros_like.h>

namespace attune {

// Where the gradient of a leaf is added to. Where the leaf has one already (a view of the arena,
// see ParameterStore::enable_training) it is that one, and autograd is given nothing; else it is a
// new one, which autograd must be given. Undefined, both, where none is wanted.
struct LeafGradient {
  explicit LeafGradient(const at::Tensor& leaf) {
    if (!leaf.defined() || !leaf.requires_grad()) return;
    const bool has_one = leaf.is_leaf() && leaf.grad().defined();
    target = has_one ? leaf.grad() : at::zeros_like(leaf);
    if (!has_one) for_autograd = target;
  }
  at::Tensor target, for_autograd;
};

// `add` adds to the target, if one is wanted. Returns what autograd must be given.
template <class Add>
at::Tensor add_to_gradient(const at::Tensor& leaf, const Add& add) {
  const LeafGradient gradient(leaf);
  if (gradient.target.defined()) add(gradient.target);
  return gradient.for_autograd;
}

}  // namespace attune
