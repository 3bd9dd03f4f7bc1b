#include "trainer/batch_prefetcher.h"

#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace attune {
namespace {

class Source : public BatchSource {
 public:
  StepPlan at(std::int64_t step) const override {
    const std::scoped_lock lock(mutex_);
    asked.emplace_back(step, std::this_thread::get_id());
    if (step == bad_step) throw std::runtime_error("no such batch");
    StepPlan plan;
    plan.batch.step = step;
    return plan;
  }
  std::int64_t steps() const override { return 4; }

  std::int64_t bad_step = -1;
  mutable std::vector<std::pair<std::int64_t, std::thread::id>> asked;

 private:
  mutable std::mutex mutex_;
};

TEST(BatchPrefetcher, GivesEveryStepOnceAndPreparesItElsewhere) {
  const Source source;
  BatchPrefetcher prefetcher(source);
  for (std::int64_t step = 0; step < 4; ++step) EXPECT_EQ(prefetcher.at(step).batch.step, step);
  ASSERT_EQ(source.asked.size(), 4u);
  for (std::int64_t step = 0; step < 4; ++step) {
    EXPECT_EQ(source.asked[step].first, step);
    EXPECT_EQ(source.asked[step].second == std::this_thread::get_id(), step == 0);
  }
}

TEST(BatchPrefetcher, AnErrorBelongsToItsOwnStep) {
  Source source;
  source.bad_step = 2;
  BatchPrefetcher prefetcher(source);
  prefetcher.at(0);
  EXPECT_NO_THROW(prefetcher.at(1));  // although step 2 is being prepared
  EXPECT_THROW(prefetcher.at(2), std::runtime_error);
}

TEST(BatchPrefetcher, AStepOutOfOrderIsItsOwnBatch) {
  const Source source;
  BatchPrefetcher prefetcher(source);
  prefetcher.at(0);
  EXPECT_EQ(prefetcher.at(3).batch.step, 3);
}

}  // namespace
}  // namespace attune
