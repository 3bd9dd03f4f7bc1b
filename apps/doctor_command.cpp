// The part of `attune doctor` that asks LibTorch.
#include "apps/verbs.h"
#include "core/error.h"
#include "core/memory.h"
#include "models/device.h"

namespace attune {
namespace {

// A driver that is there and no GPU that can be used is a failure; neither is none.
void check_gpu(DoctorReport& report) {
  try {
    const at::Device device = resolve_device("cuda");
    report.fine("GPU", str_cat(describe_device(device), ", ",
                               memory_text(available_memory_of(device)), " free"));
  } catch (const Error& error) {
    if (report.is_fine("NVIDIA driver"))
      return report.failed("GPU", error.what(),
                           "build with a CUDA LibTorch (scripts/setup does where nvidia-smi "
                           "works), and let the process see the GPU (CUDA_VISIBLE_DEVICES)");
    report.fine("GPU", "none: the processor works");
  }
}

}  // namespace

int doctor_command(const Arguments& arguments, DoctorReport report) {
  report.fine("LibTorch", describe_libtorch());
  check_gpu(report);
  return tell_report(report, arguments.has("--json"));
}

}  // namespace attune
