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

// "Intel Xeon ...", "NVIDIA H200": for logs, reports and checkpoints.
std::string describe_device(const at::Device& device);

// Bytes that tensors on it may still take: core/memory.h, on CUDA what the driver calls free.
std::int64_t available_memory_of(const at::Device& device);

// Whether an exception says that memory ran out, on whatever device (LibTorch's CPU allocator
// throws no type of its own).
bool is_out_of_memory(const std::exception& error);

}  // namespace attune
