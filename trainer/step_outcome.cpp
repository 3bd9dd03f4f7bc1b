#include "trainer/step_outcome.h"

#include <cmath>
#include <cstring>

#include "kernels/adamw.h"

namespace attune {

bool StepNumbers::finite() const { return std::isfinite(loss) && std::isfinite(grad_norm); }

const StepNumbers& StepOutcome::wait() {
  if (!numbers_) {
    GradientState state;
    std::memcpy(&state, state_->wait().const_data_ptr<std::uint8_t>(), sizeof state);
    numbers_ = StepNumbers{state.loss, state.norm};
  }
  return *numbers_;
}

}  // namespace attune
