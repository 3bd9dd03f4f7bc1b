#include "core/parallel.h"

#include <atomic>
#include <chrono>
#include <limits>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace attune {
namespace {

TEST(ParallelFor, TouchesEverythingOnceForAnyShape) {
  for (const std::int64_t count : {0, 1, 2, 7, 64, 1000}) {
    for (const int threads : {-1, 0, 1, 3, 50}) {
      for (const std::int64_t grain : {-5, 0, 1, 3, 64, 10'000}) {
        std::vector<std::atomic<int>> touched(static_cast<std::size_t>(count));
        parallel_for(count, threads, grain, [&](std::int64_t begin, std::int64_t end) {
          ASSERT_LT(begin, end);
          for (std::int64_t i = begin; i < end; ++i) ++touched[static_cast<std::size_t>(i)];
        });
        for (const auto& times : touched)
          ASSERT_EQ(times, 1) << count << " " << threads << " " << grain;
      }
    }
  }
}

TEST(ParallelFor, NothingToDoCallsNothing) {
  for (const std::int64_t count :
       {std::int64_t{0}, std::int64_t{-3}, std::numeric_limits<std::int64_t>::min()})
    parallel_for(count, 4, 1, [](std::int64_t, std::int64_t) { FAIL(); });
}

TEST(ParallelFor, HugeCountsDoNotOverflow) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  std::atomic<std::int64_t> total{0};
  parallel_for(kMost, 2, kMost / 2,
               [&](std::int64_t begin, std::int64_t end) { total += end - begin; });
  EXPECT_EQ(total, kMost);
}

TEST(ParallelFor, OneThreadIsTheCallers) {
  parallel_for(10, 1, 1, [caller = std::this_thread::get_id()](std::int64_t, std::int64_t) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
  });
}

TEST(ParallelFor, UsesSeveralThreads) {
  std::atomic<int> inside{0};
  // Every piece waits for another thread to be inside: one thread alone would never get on.
  parallel_for(2, 2, 1, [&](std::int64_t, std::int64_t) {
    ++inside;
    while (inside < 2) std::this_thread::yield();
  });
  EXPECT_EQ(inside, 2);
}

TEST(ParallelFor, RethrowsOneExceptionAndStops) {
  std::atomic<int> calls{0};
  try {
    parallel_for(1'000'000, 4, 1, [&](std::int64_t begin, std::int64_t) {
      ++calls;
      if (begin == 5) throw std::runtime_error("five");
      // So long that the others cannot do all while the one that throws waits for a core.
      if (begin > 5) std::this_thread::sleep_for(std::chrono::microseconds(100));
    });
    FAIL() << "no exception";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "five");
  }
  EXPECT_LT(calls, 1'000'000);
  EXPECT_THROW(parallel_for(8, 4, 1, [](std::int64_t, std::int64_t) { throw 1; }), int);
}

TEST(ParallelFor, MayBeNested) {
  std::atomic<int> sum{0};
  parallel_for(8, 4, 1, [&](std::int64_t, std::int64_t) {
    parallel_for(8, 4, 1, [&](std::int64_t, std::int64_t) { ++sum; });
  });
  EXPECT_EQ(sum, 64);
}

}  // namespace
}  // namespace attune
