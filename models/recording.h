// Device work that is recorded once and then done again with one call: a CUDA graph.
#pragma once

#include <functional>
#include <memory>

#include <c10/core/Device.h>

namespace attune {

class Recording {
 public:
  virtual ~Recording() = default;
  // Does the work again, in the current stream: the same kernels on the same memory, whatever that
  // holds by now. Host code of the work is not run.
  virtual void replay() = 0;
};

// Records `work` without doing it. It must have been done once before on this device (libraries set
// themselves up in their first call), must not wait for the device nor read host memory that
// changes, and what it allocates stays its own. Recordings share that memory: one is replayed to
// its end, and its results are read, before the next.
//
// On the processor nothing can be recorded: there the work itself is kept and called, which is how
// the logic around recordings is tested.
std::unique_ptr<Recording> record(const at::Device& device, std::function<void()> work);

}  // namespace attune
