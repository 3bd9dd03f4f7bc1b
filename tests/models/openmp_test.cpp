// Hazard 9 of docs/build.md: in a file compiled without -fopenmp, at::parallel_for runs serially
// and says nothing.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>

namespace attune {
namespace {

TEST(OpenMp, ParallelForRunsOnSeveralThreads) {
  const int threads_before = at::get_num_threads();
  at::set_num_threads(2);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  int64_t items = 0;
  at::parallel_for(0, 64, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
    items += end - begin;
  });
  at::set_num_threads(threads_before);
  EXPECT_EQ(items, 64);
  EXPECT_EQ(threads.size(), 2U);
}

}  // namespace
}  // namespace attune
