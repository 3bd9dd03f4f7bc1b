#include "trainer/batch_prefetcher.h"

namespace attune {

StepPlan BatchPrefetcher::at(std::int64_t step) {
  const bool ready = next_.valid() && next_step_ == step;
  StepPlan plan = ready ? next_.get() : source_.at(step);
  next_step_ = step + 1;
  if (next_step_ < source_.steps())
    next_ = std::async(std::launch::async, [this, next = next_step_] { return source_.at(next); });
  return plan;
}

}  // namespace attune
