#include "models/upload.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace attune {

Download::Download(const at::Tensor& tensor) {
  const at::Device device = tensor.device();
  if (device.is_cpu()) {
    host_ = tensor.contiguous();
    return;
  }
  host_ = staging_memory(tensor.sizes(), tensor.scalar_type(), device);
  host_.copy_(tensor, /*non_blocking=*/true);
  copied_.emplace(device.type());
  copied_->record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
}

const at::Tensor& Download::wait() {
  if (copied_) copied_->synchronize();
  copied_.reset();
  return host_;
}

}  // namespace attune
