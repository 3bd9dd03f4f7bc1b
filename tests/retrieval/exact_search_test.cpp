#include "retrieval/exact_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "core/error.h"

namespace attune {
namespace {

std::vector<std::int64_t> identity(std::int64_t n) {
  std::vector<std::int64_t> rank(n);
  std::iota(rank.begin(), rank.end(), 0);
  return rank;
}

std::vector<std::int64_t> rows(const std::vector<Hit>& hits) {
  std::vector<std::int64_t> out;
  for (const Hit& hit : hits) out.push_back(hit.row);
  return out;
}

std::vector<float> random_vectors(int count, int dimension, std::uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(static_cast<std::size_t>(count) * dimension);
  for (float& value : out) value = normal(rng);
  return out;
}

TEST(ExactSearch, CosineIgnoresLength) {
  const std::vector<float> corpus = {0, 5, 3, 3, 100, 0};
  const auto found = exact_search(std::vector<float>{0.1f, 0}, UnitRows(corpus, 2), 3, identity(3));
  EXPECT_EQ(rows(found[0]), (std::vector<std::int64_t>{2, 1, 0}));
  EXPECT_FLOAT_EQ(found[0][0].score, 1);
  EXPECT_FLOAT_EQ(found[0][1].score, std::sqrt(0.5f));
  EXPECT_EQ(found[0][2].score, 0);
}

TEST(ExactSearch, ZeroVectorsHaveSimilarityZero) {
  const std::vector<float> corpus = {-1, 0, 0, 0, 1, 0};
  EXPECT_EQ(rows(exact_search(std::vector<float>{1, 0}, UnitRows(corpus, 2), 3, identity(3))[0]),
            (std::vector<std::int64_t>{2, 1, 0}));
  const auto found = exact_search(std::vector<float>{0, 0}, UnitRows(corpus, 2), 3, identity(3));
  for (const Hit& hit : found[0]) EXPECT_EQ(hit.score, 0);
  EXPECT_EQ(rows(found[0]), identity(3));
}

TEST(ExactSearch, FewerRowsThanAsked) {
  EXPECT_EQ(exact_search(std::vector<float>{1}, UnitRows(std::vector<float>{1, -1}, 1), 100,
                         identity(2))[0]
                .size(),
            2u);
  EXPECT_TRUE(exact_search(std::vector<float>{1}, UnitRows(std::span<const float>{}, 1), 100,
                           identity(0))[0]
                  .empty());
  EXPECT_TRUE(exact_search(std::span<const float>{}, UnitRows(std::vector<float>{1, -1}, 1), 100,
                           identity(2))
                  .empty());
}

TEST(ExactSearch, TiesAtTheCutFollowTheRankInAnyBlocks) {
  std::vector<float> corpus;
  for (int i = 0; i < 20; ++i) corpus.insert(corpus.end(), {0.3f, 0.7f, -0.2f});
  std::vector<std::int64_t> rank(20);
  for (int i = 0; i < 20; ++i) rank[i] = (i * 7 + 3) % 20;
  std::vector<std::int64_t> expected(20);
  for (int i = 0; i < 20; ++i) expected[rank[i]] = i;
  expected.resize(5);
  for (std::int64_t block = 1; block <= 21; ++block)
    EXPECT_EQ(rows(exact_search(std::vector<float>{0.1f, 0.9f, 0.4f}, UnitRows(corpus, 3), 5, rank,
                                block)[0]),
              expected)
        << "blocks of " << block;
}

// Lengths that a float product would lose or overflow; equal directions stay equal rows.
void stretch(std::vector<float>& corpus, int dimension) {
  constexpr float kLengths[] = {1, 1, 0x1p-30f, 0x1p30f, 1, 0x1p110f};  // powers of 2: exact
  for (std::size_t i = 0; i < corpus.size(); ++i) corpus[i] *= kLengths[i / dimension % 6];
}

// Against a plain sort by scores in long double, with every third row a copy of another.
TEST(ExactSearch, EqualsASortOfEverythingInAnyBlocks) {
  constexpr int kRows = 700, kQueries = 150, kDimension = 37, kBest = 25;
  std::vector<float> corpus = random_vectors(kRows, kDimension, 1);
  const std::vector<float> queries = random_vectors(kQueries, kDimension, 2);
  for (int row = 0; row < kRows; row += 3)
    std::copy_n(corpus.begin() + (row * 31 % kRows) * kDimension, kDimension,
                corpus.begin() + row * kDimension);
  stretch(corpus, kDimension);
  std::vector<std::int64_t> rank = identity(kRows);
  std::shuffle(rank.begin(), rank.end(), std::mt19937_64(5));

  const auto whole = exact_search(queries, UnitRows(corpus, kDimension), kBest, rank);
  ASSERT_EQ(whole.size(), static_cast<std::size_t>(kQueries));
  for (int query = 0; query < kQueries; ++query) {
    const auto cosine = [&](std::int64_t row) {
      long double dot = 0, a = 0, b = 0;
      for (int i = 0; i < kDimension; ++i) {
        const long double x = queries[query * kDimension + i], y = corpus[row * kDimension + i];
        dot += x * y, a += x * x, b += y * y;
      }
      return dot / std::sqrt(a * b);
    };
    std::vector<std::pair<long double, std::int64_t>> all;
    for (std::int64_t row = 0; row < kRows; ++row) all.emplace_back(-cosine(row), rank[row]);
    std::sort(all.begin(), all.end());
    for (int i = 0; i < kBest; ++i) {
      EXPECT_NEAR(whole[query][i].score, static_cast<double>(-all[i].first), 2e-7);
      EXPECT_EQ(rank[whole[query][i].row], all[i].second) << "query " << query << " rank " << i;
    }
  }
  for (std::int64_t block : {13, 64, 699, 700}) {
    const auto blocked = exact_search(queries, UnitRows(corpus, kDimension), kBest, rank, block);
    for (int query = 0; query < kQueries; ++query) {
      ASSERT_EQ(rows(blocked[query]), rows(whole[query])) << "blocks of " << block;
      for (int i = 0; i < kBest; ++i) ASSERT_EQ(blocked[query][i].score, whole[query][i].score);
    }
  }
}

// The way of a GPU, on the processor: bit for bit the same, in any blocks, with ties at the cut.
TEST(ExactSearch, TheWayOfADeviceGivesTheSame) {
  constexpr int kRows = 700, kQueries = 150, kDimension = 37;
  std::vector<float> corpus = random_vectors(kRows, kDimension, 1);
  const std::vector<float> queries = random_vectors(kQueries, kDimension, 2);
  for (int row = 0; row < kRows; row += 3)
    std::copy_n(corpus.begin() + (row * 31 % kRows) * kDimension, kDimension,
                corpus.begin() + row * kDimension);
  stretch(corpus, kDimension);
  std::vector<std::int64_t> rank = identity(kRows);
  std::shuffle(rank.begin(), rank.end(), std::mt19937_64(5));
  std::vector<float> equal = corpus;  // all rows but the last, which are many proposals
  for (int row = 1; row < kRows - 1; ++row)
    std::copy_n(equal.begin(), kDimension, equal.begin() + row * kDimension);
  const std::vector<float> zeros(corpus.size());
  for (const std::vector<float>& numbers : {corpus, equal, zeros}) {
    const UnitRows passages(numbers, kDimension);
    for (const int k : {1, 25, 699, 700, 1000}) {
      const auto expected = exact_search(queries, passages, k, rank);
      for (const std::int64_t block : {57, 699, 700}) {
        const auto found = exact_search_on(at::kCPU, queries, passages, k, rank, block);
        ASSERT_EQ(found.size(), expected.size());
        for (int query = 0; query < kQueries; ++query) {
          ASSERT_EQ(rows(found[query]), rows(expected[query])) << k << " in blocks of " << block;
          for (std::size_t i = 0; i < found[query].size(); ++i)
            ASSERT_EQ(found[query][i].score, expected[query][i].score);
        }
      }
    }
  }
  const UnitRows none({}, kDimension);
  EXPECT_EQ(rows(exact_search_on(at::kCPU, queries, none, 3, {}, 8)[0]),
            rows(exact_search(queries, none, 3, {}, 8)[0]));
}

TEST(ExactSearch, RefusesNanAndInfinityByRow) {
  for (float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    try {
      exact_search(std::vector<float>{1, 0}, UnitRows(std::vector<float>{1, 0, 0, bad}, 2), 1,
                   identity(2), 1);
      FAIL() << "accepted " << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_NE(std::string(error.what()).find("passage 1"), std::string::npos) << error.what();
    }
    EXPECT_THROW(exact_search(std::vector<float>{bad, 0}, UnitRows(std::vector<float>{1, 0}, 2), 1,
                              identity(1)),
                 Error);
  }
}

TEST(ExactSearch, LargestFloatsDoNotOverflow) {
  const float large = std::numeric_limits<float>::max();
  const auto found = exact_search(std::vector<float>{large, large},
                                  UnitRows(std::vector<float>{large, large}, 2), 1, identity(1));
  EXPECT_FLOAT_EQ(found[0][0].score, 1);
}

}  // namespace
}  // namespace attune
