#include "pipeline/environment.h"

#include <ATen/Parallel.h>
#include <torch/headeronly/version.h>

#include "models/device.h"

namespace attune {

Json describe_environment(const std::string& device) {
  return {{"device", describe_device(resolve_device(device))},
          {"threads", at::get_num_threads()},
          {"attune", ATTUNE_VERSION},
          {"LibTorch", TORCH_VERSION}};
}

}  // namespace attune
