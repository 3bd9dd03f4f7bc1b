// Prepares the next step's batch while the current one is computed.
#pragma once

#include <cstdint>
#include <future>

#include "trainer/training_batch.h"

namespace attune {

class BatchPrefetcher {
 public:
  explicit BatchPrefetcher(const BatchSource& source) : source_(source) {}  // outlives this

  // source.at(step), whose errors it throws; then begins step + 1 on a thread of its own.
  StepPlan at(std::int64_t step);

 private:
  const BatchSource& source_;
  std::future<StepPlan> next_;  // of next_step_; its destructor waits for the thread
  std::int64_t next_step_ = 0;
};

}  // namespace attune
