#include "models/device.h"

#include <cstdlib>
#include <fstream>
#include <new>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <torch/headeronly/version.h>

#include "core/error.h"
#include "core/memory.h"
#include "kernels/attention.h"
#ifdef ATTUNE_WITH_CUDA
#include <c10/cuda/CUDAAllocatorConfig.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime.h>
#endif

namespace attune {
namespace {

int cuda_device_count() {
#ifdef ATTUNE_WITH_CUDA
  return c10::cuda::device_count();
#else
  return 0;
#endif
}

// Batches differ in size from step to step: without this the allocator's memory falls to pieces.
// Whoever has set the allocator's variables knows better.
void configure_allocator() {
#ifdef ATTUNE_WITH_CUDA
  static const bool once = [] {
    if (!std::getenv("PYTORCH_CUDA_ALLOC_CONF") && !std::getenv("PYTORCH_ALLOC_CONF"))
      c10::CachingAllocator::setAllocatorSettings("expandable_segments:True");
    return true;
  }();
  (void)once;
#endif
}

const char* why_no_cuda() {
#ifdef ATTUNE_WITH_CUDA
  return "no NVIDIA GPU with a working driver was found";
#else
  return "this attune was built without CUDA";
#endif
}

}  // namespace

at::Device resolve_device(const std::string& name) {
  if (name == "cpu") return at::kCPU;
  if (name == "auto") return resolve_device(cuda_device_count() > 0 ? "cuda:0" : "cpu");
  int index = 0;
  if (name != "cuda") {
    const std::string digits = name.starts_with("cuda:") ? name.substr(5) : "";
    if (digits.empty() || digits.size() > 3 ||
        digits.find_first_not_of("0123456789") != std::string::npos)
      throw_error(ErrorKind::kConfig, "device '", name,
                  "' is not known: expected auto, cpu, cuda or cuda:N");
    index = std::stoi(digits);
  }
  if (cuda_device_count() == 0)
    throw_error(ErrorKind::kResources, "device '", name, "': ", why_no_cuda(),
                "; use device: cpu, or auto to take what is there");
  if (index >= cuda_device_count())
    throw_error(ErrorKind::kResources, "device '", name, "': this machine has ",
                cuda_device_count(), " GPU(s), numbered from 0");
  configure_allocator();
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

void set_device_arithmetic(const at::Device& device, bool tf32, bool deterministic) {
  if (!device.is_cuda()) return;
  at::globalContext().setFloat32MatmulPrecision(tf32 ? "high" : "highest");
  at::globalContext().setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
  at::globalContext().setDeterministicCuDNN(deterministic);
  // cuBLAS reads it when it is set up, by the first product.
  if (deterministic) setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
}

std::int64_t available_memory_of(const at::Device& device) {
#ifdef ATTUNE_WITH_CUDA
  if (device.is_cuda()) {
    const c10::cuda::CUDAGuard guard(device);
    std::size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) == cudaSuccess) return static_cast<std::int64_t>(free);
  }
#else
  (void)device;
#endif
  return available_memory();
}

std::int64_t peak_memory_of(const at::Device& device) {
#ifdef ATTUNE_WITH_CUDA
  if (device.is_cuda())
    return c10::cuda::CUDACachingAllocator::getDeviceStats(device.index()).allocated_bytes[0].peak;
#else
  (void)device;
#endif
  return 0;
}

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) ||
      dynamic_cast<const c10::OutOfMemoryError*>(&error))
    return true;
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  return torch && std::string(torch->what_without_backtrace()).find("DefaultCPUAllocator") !=
                      std::string::npos;
}

std::string describe_libtorch() {
  return str_cat(TORCH_VERSION, ", ", at::get_num_threads(), " threads, kernels ", kernel_isa());
}

std::string describe_device(const at::Device& device) {
#ifdef ATTUNE_WITH_CUDA
  if (device.is_cuda()) {
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, device.index()) == cudaSuccess) return properties.name;
  }
#else
  (void)device;
#endif
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "cpu";
}

}  // namespace attune
