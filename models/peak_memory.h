// What a piece of work takes, counted at LibTorch's allocators and so the same on every machine,
// whatever malloc keeps for itself.
#pragma once

#include <cstdint>
#include <memory>

#include <c10/util/ThreadLocalDebugInfo.h>

namespace attune {

// From construction on, counts what this thread and its backward passes allocate for tensors, on
// any device. Scratch memory inside oneDNN and cuBLAS is not seen.
class PeakMemory {
 public:
  PeakMemory();
  ~PeakMemory();
  std::int64_t bytes() const;  // most that was held at one time

 private:
  struct Counter;
  std::shared_ptr<Counter> counter_;
  c10::DebugInfoGuard guard_;
};

}  // namespace attune
