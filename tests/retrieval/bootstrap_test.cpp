#include "retrieval/bootstrap.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "core/error.h"

namespace attune {
namespace {

TEST(PairedBootstrap, IdenticalModelsDifferByNothing) {
  const std::vector<double> scores = {0, 1, 0.5, 0.25, 1, 0};
  const PairedDifference same = paired_bootstrap(scores, scores);
  EXPECT_EQ(same.difference, 0);
  EXPECT_EQ(same.low, 0);
  EXPECT_EQ(same.high, 0);
  EXPECT_FALSE(same.better() || same.worse());
  EXPECT_EQ(verdict(same), "not shown to be better (+0.0 points, 95 % interval 0.0 to 0.0)");
}

TEST(PairedBootstrap, ConstantImprovementHasNoSpread) {
  const PairedDifference gain = paired_bootstrap({0.5, 0.0, 0.25}, {0.75, 0.25, 0.5});
  EXPECT_EQ(gain.difference, 0.25);
  EXPECT_EQ(gain.low, 0.25);
  EXPECT_EQ(gain.high, 0.25);
  EXPECT_TRUE(gain.better());
}

TEST(PairedBootstrap, OneQuery) {
  const PairedDifference only = paired_bootstrap({1}, {0});
  EXPECT_EQ(only.low, -1);
  EXPECT_EQ(only.high, -1);
  EXPECT_TRUE(only.worse());
}

// Of two queries with differences 0 and 1 a resample has mean 0, 1/2, 1 with chances 1/4, 1/2, 1/4.
TEST(PairedBootstrap, TwoQueriesByHand) {
  const PairedDifference wide = paired_bootstrap({0, 0}, {0, 1}, 10000, 1, 0.6);
  EXPECT_EQ(wide.difference, 0.5);
  EXPECT_EQ(wide.low, 0);
  EXPECT_EQ(wide.high, 1);
  const PairedDifference narrow = paired_bootstrap({0, 0}, {0, 1}, 10000, 1, 0.4);
  EXPECT_EQ(narrow.low, 0.5);
  EXPECT_EQ(narrow.high, 0.5);
}

TEST(PairedBootstrap, SwappingTheModelsMirrorsTheInterval) {
  std::mt19937_64 rng(3);
  std::vector<double> base, candidate;
  for (int i = 0; i < 300; ++i) {
    base.push_back(static_cast<double>(rng() % 2));
    candidate.push_back(static_cast<double>(rng() % 4 != 0));
  }
  const PairedDifference there = paired_bootstrap(base, candidate, 2000);
  const PairedDifference back = paired_bootstrap(candidate, base, 2000);
  EXPECT_TRUE(there.better());
  EXPECT_TRUE(back.worse());
  EXPECT_EQ(there.difference, -back.difference);
  EXPECT_EQ(there.low, -back.high);
  EXPECT_EQ(there.high, -back.low);
}

// Pinned, so that a report can be repeated on another machine and by a later version.
TEST(PairedBootstrap, SameSeedSameInterval) {
  std::vector<double> base, candidate;
  for (int i = 0; i < 100; ++i) {
    base.push_back(i % 3 == 0);
    candidate.push_back(i % 2 == 0);
  }
  const PairedDifference first = paired_bootstrap(base, candidate);
  const PairedDifference again = paired_bootstrap(base, candidate);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_DOUBLE_EQ(first.difference, 0.16);
  EXPECT_DOUBLE_EQ(first.low, 0.02);
  EXPECT_DOUBLE_EQ(first.high, 0.29);
  const PairedDifference other = paired_bootstrap(base, candidate, 1000, 43);
  const PairedDifference another = paired_bootstrap(base, candidate, 1000, 44);
  EXPECT_TRUE(other.low != another.low || other.high != another.high);
}

// 1,000 samples of 150 queries whose true difference is 0.1: the 95 % interval must hold it in
// about 95 of 100 cases. Standard deviation of the count at 95 %: 6.9; the percentile interval is
// known to be a little short for few queries.
TEST(PairedBootstrap, CoversTheTruthInNinetyFiveOfAHundred) {
  std::mt19937_64 rng(11);
  int covered = 0;
  constexpr int kTrials = 1000;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> base(150), candidate(150);
    for (int i = 0; i < 150; ++i) {
      const std::uint64_t draw = rng() % 100;  // both right, both wrong, or one of them
      base[i] = draw < 60;
      candidate[i] = draw < 50 || (draw >= 60 && draw < 80);
    }
    const PairedDifference result = paired_bootstrap(base, candidate, 1000, trial);
    covered += result.low <= 0.1 && 0.1 <= result.high;
  }
  EXPECT_GE(covered, 925);
  EXPECT_LE(covered, 972);
}

TEST(PairedBootstrap, TenThousandResamplesOfAThousandQueriesAreFast) {
  const std::vector<double> base(1000, 0.25), candidate(1000, 0.5);
  const auto start = std::chrono::steady_clock::now();
  paired_bootstrap(base, candidate);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  RecordProperty("milliseconds", static_cast<int>(seconds.count() * 1000));
  EXPECT_LT(seconds.count(),
            2.0);  // 0.02 on an idle core; the rest is for sanitizers and busy machines
}

TEST(PairedBootstrap, MisuseIsAnInternalError) {
  EXPECT_THROW(paired_bootstrap({}, {}), InternalError);
  EXPECT_THROW(paired_bootstrap({1}, {1, 0}), InternalError);
  EXPECT_THROW(paired_bootstrap({1}, {1}, 0), InternalError);
  EXPECT_THROW(paired_bootstrap({1}, {1}, 10, 1, 1.0), InternalError);
}

TEST(Verdict, SaysItInWords) {
  EXPECT_EQ(verdict({0.031, 0.012, 0.05, 0.95}), "better by 3.1 points (95 % interval 1.2 to 5.0)");
  EXPECT_EQ(verdict({-0.031, -0.05, -0.012, 0.95}),
            "worse by 3.1 points (95 % interval 1.2 to 5.0)");
  EXPECT_EQ(verdict({0.004, -0.01, 0.019, 0.95}),
            "not shown to be better (+0.4 points, 95 % interval -1.0 to 1.9)");
  EXPECT_EQ(verdict({-0.00001, -0.01, 0.0, 0.9}),
            "not shown to be better (+0.0 points, 90 % interval -1.0 to 0.0)");
}

}  // namespace
}  // namespace attune
