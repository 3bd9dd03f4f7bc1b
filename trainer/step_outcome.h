// The numbers of an optimizer step, which a GPU may still be computing.
#pragma once

#include <optional>

#include <ATen/core/Tensor.h>

#include "models/upload.h"

namespace attune {

struct StepNumbers {
  double loss = 0, grad_norm = 0;  // before clipping
  bool finite() const;             // else the step has changed no weight
};

class StepOutcome {
 public:
  // Known already.
  explicit StepOutcome(const StepNumbers& numbers) : numbers_(numbers) {}
  // Of a GradientState (kernels/adamw.h) in device memory, as bytes, when all that is in the
  // current stream has been done: copied to the host without waiting.
  explicit StepOutcome(const at::Tensor& state) : state_(state.is_cpu() ? state.clone() : state) {}

  // Waits for the device, if it must.
  const StepNumbers& wait();

 private:
  std::optional<StepNumbers> numbers_;
  std::optional<Download> state_;
};

}  // namespace attune
