// Devices by the names of the configuration: auto, cpu, cuda, cuda:N.
#pragma once

#include <string>

#include <c10/core/Device.h>

namespace attune {

// auto: the first GPU if this build and this machine have one, else the processor. Throws
// Error{kConfig} for an unknown name, Error{kResources} where the named device is not there (and
// says why).
at::Device resolve_device(const std::string& name);

// "Intel Xeon ...", "NVIDIA H200": for logs and reports.
std::string describe_device(const at::Device& device);

}  // namespace attune
