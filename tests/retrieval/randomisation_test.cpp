#include "retrieval/randomisation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/error.h"
#include "core/json.h"
#include "retrieval/bootstrap.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

Json fixture() { return read_json_file(source_path("tests/fixtures/metrics/significance.json")); }

// scipy.stats.permutation_test: all patterns, or as many that p is known to 1 in 1,000.
TEST(PairedRandomisation, EqualsScipys) {
  const Json cases = fixture()["cases"];
  ASSERT_EQ(cases.size(), 7u);
  for (const Json& one : cases) {
    const auto base = one["base"].get<std::vector<double>>();
    const auto candidate = one["candidate"].get<std::vector<double>>();
    const double p = one["p"], found = paired_randomisation(base, candidate);
    if (one["exact"]) {
      EXPECT_NEAR(found, p, 1e-12) << one["name"];
    } else {
      EXPECT_NEAR(found, p, 4 * std::sqrt(p * (1 - p) / 10000) + 1e-4) << one["name"];
    }
  }
}

TEST(PairedRandomisation, ByHand) {
  EXPECT_EQ(paired_randomisation({0.5, 0.2}, {0.5, 0.2}), 1);
  EXPECT_EQ(paired_randomisation({0}, {1}), 1) << "one query never shows anything";
  // Of eight patterns of three equal differences two are as far: all up and all down.
  EXPECT_EQ(paired_randomisation({0, 0, 0}, {1, 1, 1}), 0.25);
  EXPECT_EQ(paired_randomisation({0, 0, 0, 7}, {1, 1, 1, 7}), 0.25) << "equal queries say nothing";
  // 0.1 + 0.2 and 0.3 are as far, whatever rounding makes of them: all four patterns are.
  EXPECT_EQ(paired_randomisation({0, 0, 0}, {0.1, 0.2, -0.3}), 1);
  EXPECT_EQ(paired_randomisation({1, 1, 1}, {0, 0, 0}), 0.25) << "two-sided";
}

TEST(PairedRandomisation, DrawnPatternsNeverGiveZero) {
  const std::vector<double> base(100, 0.25), candidate(100, 0.5);
  EXPECT_EQ(paired_randomisation(base, candidate), 1.0 / 10001);
  EXPECT_EQ(paired_randomisation(base, candidate, 99), 0.01);
}

// Exact with 2^14 rounds, drawn with 10,000: the same p.
TEST(PairedRandomisation, DrawnAgreesWithExact) {
  std::mt19937_64 rng(5);
  std::vector<double> base, candidate;
  for (int i = 0; i < 14; ++i) {
    base.push_back(static_cast<double>(rng() % 1000) / 1000);
    candidate.push_back(static_cast<double>(rng() % 1000) / 1000 + 0.2);
  }
  const double exact = paired_randomisation(base, candidate, 1 << 14);
  const double drawn = paired_randomisation(base, candidate, (1 << 14) - 1);
  EXPECT_NE(exact, drawn);
  EXPECT_NEAR(exact, drawn, 4 * std::sqrt(exact * (1 - exact) / 16383));
  EXPECT_EQ(drawn, paired_randomisation(base, candidate, (1 << 14) - 1)) << "the same seed";
  EXPECT_NE(drawn, paired_randomisation(base, candidate, (1 << 14) - 1, 43));
}

// Two equally good systems: p <= 0.05 in 5 of 100 cases. Standard deviation of the count: 6.9.
TEST(PairedRandomisation, FindsNothingWhereNothingIs) {
  std::mt19937_64 rng(11);
  int found = 0;
  for (int trial = 0; trial < 1000; ++trial) {
    std::vector<double> base(60), candidate(60);
    for (int i = 0; i < 60; ++i) {
      base[i] = static_cast<double>(rng() % 1024);
      candidate[i] = static_cast<double>(rng() % 1024);
    }
    found += paired_randomisation(base, candidate, 500, trial) <= 0.05;
  }
  EXPECT_GE(found, 28);
  EXPECT_LE(found, 72);
}

TEST(PairedRandomisation, MisuseIsAnInternalError) {
  EXPECT_THROW(paired_randomisation({}, {}), InternalError);
  EXPECT_THROW(paired_randomisation({1}, {1, 0}), InternalError);
  EXPECT_THROW(paired_randomisation({1}, {NAN}), InternalError);
  EXPECT_THROW(paired_randomisation({1}, {1}, 0), InternalError);
}

TEST(Holm, EqualsStatsmodels) {
  const Json cases = fixture()["holm"];
  ASSERT_FALSE(cases.empty());
  for (const Json& one : cases) {
    const auto p = one["p"].get<std::vector<double>>();
    const std::vector<double> corrected = holm(p);
    ASSERT_EQ(corrected.size(), p.size());
    for (std::size_t i = 0; i < p.size(); ++i)
      EXPECT_NEAR(corrected[i], one["corrected"][i].get<double>(), 1e-15) << one.dump();
  }
  EXPECT_TRUE(holm({}).empty());
}

TEST(PairedBootstrap, EqualsScipys) {
  const Json cases = fixture()["cases"];
  ASSERT_FALSE(cases.empty());
  for (const Json& one : cases) {
    const PairedDifference ours = paired_bootstrap(one["base"], one["candidate"]);
    const double width = one["high"].get<double>() - one["low"].get<double>();
    EXPECT_NEAR(ours.low, one["low"].get<double>(), 0.05 * width) << one["name"];
    EXPECT_NEAR(ours.high, one["high"].get<double>(), 0.05 * width) << one["name"];
  }
}

// Six candidates that are as good as the base: of 400 experiments an interval that leaves out 0 is
// seen in about 5 of 100, where uncorrected ones would fail in about 20.
TEST(PairedBootstrap, SeveralCandidatesAtOnce) {
  std::mt19937_64 rng(3);
  int wrong = 0, uncorrected = 0;
  for (int trial = 0; trial < 400; ++trial) {
    std::vector<double> base(80);
    for (double& value : base) value = static_cast<double>(rng() % 1024);
    bool any = false, any_uncorrected = false;
    for (int candidate = 0; candidate < 6; ++candidate) {
      std::vector<double> other(80);
      for (double& value : other) value = static_cast<double>(rng() % 1024);
      const PairedDifference joint = paired_bootstrap(base, other, 1000, trial, 0.95, 6);
      const PairedDifference alone = paired_bootstrap(base, other, 1000, trial);
      EXPECT_LE(joint.low, alone.low);
      EXPECT_GE(joint.high, alone.high);
      any = any || joint.better() || joint.worse();
      any_uncorrected = any_uncorrected || alone.better() || alone.worse();
    }
    wrong += any;
    uncorrected += any_uncorrected;
  }
  EXPECT_LE(wrong, 45);
  EXPECT_GE(uncorrected, 55);
  EXPECT_EQ(verdict({0.031, 0.012, 0.05, 0.95, 3}),
            "better by 3.1 points (95 % interval for all 3 candidates 1.2 to 5.0)");
}

}  // namespace
}  // namespace attune
