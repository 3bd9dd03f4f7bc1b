#include "kernels/dropout.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/attention.h"

namespace attune {
namespace {

struct Tokens {
  std::vector<std::int64_t> uid;
  std::vector<std::int32_t> positions;
};

Tokens make_tokens(std::int64_t sequences, int length) {
  Tokens tokens;
  for (std::int64_t s = 0; s < sequences; ++s)
    for (int t = 0; t < length; ++t) {
      tokens.uid.push_back(s);
      tokens.positions.push_back(t);
    }
  return tokens;
}

std::vector<float> mask(const Dropout& dropout, const Tokens& tokens, std::int64_t width) {
  const auto rows = static_cast<std::int64_t>(tokens.uid.size());
  std::vector<float> x(rows * width, 1), y(x.size());
  dropout_cpu(x.data(), tokens.uid.data(), tokens.positions.data(), y.data(), 0, rows, width,
              dropout);
  return y;
}

TEST(Dropout, KeepsTheRightShareAndScalesIt) {
  const Tokens tokens = make_tokens(50, 20);
  for (double p : {0.1, 0.5, 0.9}) {
    const std::vector<float> y = mask(Dropout::make(p, 1, 1, 0, DropoutSite::kOutput), tokens, 384);
    double kept = 0;
    for (float x : y) {
      ASSERT_TRUE(x == 0 || std::abs(x - 1 / (1 - p)) < 1e-5);
      kept += x != 0;
    }
    const double n = static_cast<double>(y.size());
    EXPECT_NEAR(kept / n, 1 - p, 4 * std::sqrt(p * (1 - p) / n));
  }
}

TEST(Dropout, EveryPartOfTheKeyChangesTheMaskIndependently) {
  const Tokens tokens = make_tokens(20, 20);
  const std::vector<float> base =
      mask(Dropout::make(0.5, 1, 1, 0, DropoutSite::kOutput), tokens, 64);
  for (const Dropout& other : {Dropout::make(0.5, 2, 1, 0, DropoutSite::kOutput),
                               Dropout::make(0.5, 1, 2, 0, DropoutSite::kOutput),
                               Dropout::make(0.5, 1, 1, 1, DropoutSite::kOutput),
                               Dropout::make(0.5, 1, 1, 0, DropoutSite::kAttentionOutput)}) {
    const std::vector<float> y = mask(other, tokens, 64);
    double agree = 0;
    for (std::size_t i = 0; i < y.size(); ++i) agree += y[i] == base[i];
    const double n = static_cast<double>(y.size());
    EXPECT_NEAR(agree / n, 0.5, 4 * 0.5 / std::sqrt(n));
  }
}

TEST(Dropout, NeighbouringTokensAndFeaturesAreUncorrelated) {
  const std::int64_t width = 256;
  const Tokens tokens = make_tokens(40, 50);
  const std::vector<float> y =
      mask(Dropout::make(0.5, 5, 9, 2, DropoutSite::kOutput), tokens, width);
  double by_feature = 0, by_token = 0, n = 0;
  for (std::size_t t = 0; t + 1 < tokens.uid.size(); ++t)
    for (std::int64_t c = 0; c + 1 < width; ++c, ++n) {
      by_feature += (y[t * width + c] != 0) == (y[t * width + c + 1] != 0);
      by_token += (y[t * width + c] != 0) == (y[(t + 1) * width + c] != 0);
    }
  EXPECT_NEAR(by_feature / n, 0.5, 4 * 0.5 / std::sqrt(n));
  EXPECT_NEAR(by_token / n, 0.5, 4 * 0.5 / std::sqrt(n));
}

TEST(Dropout, IsTheSameForAnySplitAndOrderOfTheTokens) {
  const Tokens tokens = make_tokens(3, 7);
  const Dropout dropout = Dropout::make(0.3, 1, 1, 0, DropoutSite::kEmbeddings);
  const std::vector<float> whole = mask(dropout, tokens, 33);
  const Tokens last{{tokens.uid.begin() + 14, tokens.uid.end()},
                    {tokens.positions.begin() + 14, tokens.positions.end()}};
  const std::vector<float> part = mask(dropout, last, 33);
  for (std::size_t i = 0; i < part.size(); ++i) ASSERT_EQ(part[i], whole[14 * 33 + i]);
}

TEST(Dropout, IsTheSameOnEveryInstructionSet) {
  const Tokens tokens = make_tokens(3, 7);
  const Dropout dropout = Dropout::make(0.3, 1, 1, 0, DropoutSite::kEmbeddings);
  const std::string best = kernel_isa();
  const std::vector<float> expected = mask(dropout, tokens, 50);
  for (const char* isa : {"portable", "avx2", "avx512"}) {
    try {
      set_kernel_isa(isa);
    } catch (const std::invalid_argument&) {
      continue;
    }
    EXPECT_EQ(mask(dropout, tokens, 50), expected) << isa;
  }
  set_kernel_isa(best.c_str());
}

TEST(Dropout, ProbabilityZeroIsOff) {
  EXPECT_FALSE(Dropout::make(0, 1, 1, 0, DropoutSite::kOutput).on());
}

}  // namespace
}  // namespace attune
