// Calling the kernels named _cuda (kernels/cuda_kernels.h) on tensors.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

namespace attune {

// Whether those kernels work on this tensor's memory: it is on a GPU, or it is on the processor and
// a test runs them there (set_cuda_kernels).
bool has_device_kernels(const at::Tensor& x);
bool has_device_kernels(const at::Device& device);

// Of the device of x; null on the processor.
void* current_stream(const at::Tensor& x);

// For the code that a kernel's function returned: Error{kResources} with the device's own words.
void check_kernel(int code);

// Scratch memory for a kernel: `floats` of fp32 on the device of x. Its contents are undefined; it
// may be let go of as soon as the kernel is launched.
inline at::Tensor kernel_workspace(const at::Tensor& x, std::int64_t floats) {
  return at::empty({floats}, x.options().dtype(at::kFloat));
}

}  // namespace attune
