// From tensors to what the kernels of kernels/ take.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/error.h"
#include "kernels/bfloat16.h"

namespace attune {

// The elements of a contiguous tensor on the processor; an undefined tensor gives null.
template <class T>
const T* elements(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<const T*>(tensor.const_data_ptr()) : nullptr;
}
template <class T>
T* mutable_elements(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.mutable_data_ptr()) : nullptr;
}

// Calls body(float()) or body(BFloat16()).
template <class Body>
void with_element_type(at::ScalarType type, const Body& body) {
  static_assert(sizeof(BFloat16) == sizeof(c10::BFloat16));
  if (type == at::kBFloat16) return body(BFloat16());
  ATTUNE_ASSERT(type == at::kFloat);
  body(float());
}

}  // namespace attune
