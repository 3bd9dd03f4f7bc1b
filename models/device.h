// Devices by the names of the configuration: auto, cpu, cuda, cuda:N.
#pragma once

#include <cstdint>
#include <exception>
#include <string>

#include <c10/core/Device.h>

namespace attune {

// auto: the first GPU if this build and this machine have one, else the processor. Throws
// Error{kConfig} for an unknown name, Error{kResources} where the named device is not there (and
// says why).
at::Device resolve_device(const std::string& name);

// How a GPU computes from now on in this process. `tf32`: fp32 products may round their factors to
// TF32's 10 bits, as good as nothing beside bf16. `deterministic`: only algorithms that give equal
// bits in every run; what has none is an error. On the processor there is nothing to set: sums have
// one order there.
void set_device_arithmetic(const at::Device& device, bool tf32, bool deterministic);

// "Intel Xeon ...", "NVIDIA H200": for logs, reports and checkpoints.
std::string describe_device(const at::Device& device);

// "2.11.0, 8 threads, kernels avx512": LibTorch, and how the processor computes.
std::string describe_libtorch();

// Bytes that tensors on it may still take: core/memory.h, on CUDA what the driver calls free.
std::int64_t available_memory_of(const at::Device& device);

// The most bytes that tensors on a GPU took at one time in this process; 0 for the processor.
std::int64_t peak_memory_of(const at::Device& device);

// Whether an exception says that memory ran out, on whatever device (LibTorch's CPU allocator
// throws no type of its own).
bool is_out_of_memory(const std::exception& error);

}  // namespace attune
