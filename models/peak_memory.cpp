#include "models/peak_memory.h"

#include <algorithm>
#include <mutex>

#include <c10/core/Allocator.h>

namespace attune {

struct PeakMemory::Counter : c10::MemoryReportingInfoBase {
  void reportMemoryUsage(void*, std::int64_t size, std::size_t, std::size_t, c10::Device) override {
    const std::lock_guard lock(mutex);  // CUDA's backward runs on a thread of its own
    held += size;
    peak = std::max(peak, held);
  }
  bool memoryProfilingEnabled() const override { return true; }

  std::mutex mutex;
  std::int64_t held = 0, peak = 0;
};

PeakMemory::PeakMemory()
    : counter_(std::make_shared<Counter>()), guard_(c10::DebugInfoKind::PROFILER_STATE, counter_) {}

PeakMemory::~PeakMemory() = default;

std::int64_t PeakMemory::bytes() const {
  const std::lock_guard lock(counter_->mutex);
  return counter_->peak;
}

}  // namespace attune
