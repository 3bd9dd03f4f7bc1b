#include "models/recording.h"

#include <utility>

#include "core/error.h"
#ifdef ATTUNE_WITH_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace attune {
namespace {

class KeptWork : public Recording {
 public:
  explicit KeptWork(std::function<void()> work) : work_(std::move(work)) {}
  void replay() override { work_(); }

 private:
  std::function<void()> work_;
};

#ifdef ATTUNE_WITH_CUDA

class Graph : public Recording {
 public:
  Graph(const at::Device& device, const std::function<void()>& work) {
    static const c10::MempoolId_t pool = at::cuda::graph_pool_handle();
    const c10::cuda::CUDAGuard guard(device);
    const c10::cuda::CUDAStream before = c10::cuda::getCurrentCUDAStream();
    before.synchronize();
    // The default stream cannot be captured.
    const c10::cuda::CUDAStreamGuard side(c10::cuda::getStreamFromPool(true, device.index()));
    graph_.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      end_failed_capture();
      throw;
    }
    graph_.capture_end();
  }
  void replay() override { graph_.replay(); }

 private:
  // The stream must not stay in capture; that this fails too says nothing new.
  void end_failed_capture() {
    try {
      graph_.capture_end();
    } catch (const std::exception&) {
    }
  }

  at::cuda::CUDAGraph graph_;
};

#endif

}  // namespace

std::unique_ptr<Recording> record(const at::Device& device, std::function<void()> work) {
  if (!device.is_cuda()) return std::make_unique<KeptWork>(std::move(work));
#ifdef ATTUNE_WITH_CUDA
  return std::make_unique<Graph>(device, work);
#else
  throw InternalError("a CUDA device in a build without CUDA");
#endif
}

}  // namespace attune
