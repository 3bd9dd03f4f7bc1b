#include "models/device_kernels.h"

#include "core/error.h"
#include "kernels/cuda_kernels.h"
#ifdef ATTUNE_WITH_CUDA
#include <c10/cuda/CUDAStream.h>
#endif

namespace attune {

bool has_device_kernels(const at::Device& device) {
  return device.is_cuda() || cuda_kernels() != gpu_cuda_kernels();
}

bool has_device_kernels(const at::Tensor& x) { return has_device_kernels(x.device()); }

void* current_stream(const at::Tensor& x) {
#ifdef ATTUNE_WITH_CUDA
  if (x.is_cuda()) return c10::cuda::getCurrentCUDAStream(x.device().index()).stream();
#else
  (void)x;
#endif
  return nullptr;
}

void check_kernel(int code) {
  if (code != 0) throw_error(ErrorKind::kResources, "a CUDA kernel: ", cuda_error_text(code));
}

}  // namespace attune
