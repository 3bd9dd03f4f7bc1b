// Small arrays of the host as tensors on a device, and tensors of a device on the host, without
// waiting where that is not needed.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/Event.h>

namespace attune {

// Memory that a GPU can copy from and to while the host goes on.
inline at::Tensor staging_memory(at::IntArrayRef shape, at::ScalarType type,
                                 const at::Device& device) {
  return at::empty(shape, at::TensorOptions(type).pinned_memory(device.is_cuda()));
}

// `values` as a tensor; T must be what `type` holds. Done before what is put into the current
// stream behind it.
template <class T>
at::Tensor upload(const std::vector<T>& values, at::IntArrayRef shape, at::ScalarType type,
                  const at::Device& device) {
  const at::Tensor host = staging_memory(shape, type, device);
  std::copy(values.begin(), values.end(), host.mutable_data_ptr<T>());
  return host.to(device, /*non_blocking=*/true);
}

// A tensor as it is when all that is in the current stream has been done.
class Download {
 public:
  explicit Download(const at::Tensor& tensor);
  const at::Tensor& wait();  // on the host, contiguous

 private:
  at::Tensor host_;
  std::optional<c10::Event> copied_;
};

}  // namespace attune
