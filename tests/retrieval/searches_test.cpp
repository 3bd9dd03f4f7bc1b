#include "retrieval/searches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "core/error.h"
#include "retrieval/rank_fusion.h"
#include "tests/support/fake_embedding.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

std::vector<std::int64_t> rows_of(const std::vector<Hit>& hits) {
  std::vector<std::int64_t> rows;
  for (const Hit& hit : hits) rows.push_back(hit.row);
  return rows;
}

using Rows = std::vector<std::int64_t>;

// Row 1: 1/62 + 1/61, rows 0 and 2: 1/61 and 1/62, row 3: 1/63.
TEST(FuseRanks, ByHand) {
  const std::vector<std::vector<Hit>> lists = {{{0, 9}, {1, 8}, {3, 7}}, {{1, 0.5}, {2, 0.4}}};
  const std::vector<std::int64_t> order = {0, 1, 2, 3};
  const std::vector<Hit> fused = fuse_ranks(lists, 10, order);
  EXPECT_EQ(rows_of(fused), (Rows{1, 0, 2, 3}));
  EXPECT_FLOAT_EQ(fused[0].score, 1.0f / 62 + 1.0f / 61);
  EXPECT_FLOAT_EQ(fused[3].score, 1.0f / 63);
  EXPECT_EQ(rows_of(fuse_ranks(lists, 2, order)), (Rows{1, 0}));
  EXPECT_TRUE(fuse_ranks(std::vector<std::vector<Hit>>(2), 5, order).empty());
}

TEST(FuseRanks, EqualScoresAreInTheOrderOfTheirIds) {
  const std::vector<std::vector<Hit>> lists = {{{0, 1}, {1, 1}}, {{1, 1}, {0, 1}}, {{2, 1}}};
  EXPECT_EQ(rows_of(fuse_ranks(lists, 3, std::vector<std::int64_t>{1, 0, 2})), (Rows{1, 0, 2}));
  EXPECT_EQ(rows_of(fuse_ranks(lists, 3, std::vector<std::int64_t>{0, 1, 2})), (Rows{0, 1, 2}));
}

// The sum in the order of the lists, with k of another value, in a straight-forward way.
TEST(FuseRanks, ManyLists) {
  std::vector<std::vector<Hit>> lists(5);
  std::map<std::int64_t, double> scores;
  for (std::int64_t list = 0; list < 5; ++list)
    for (std::int64_t place = 0; place < 20; ++place) {
      const std::int64_t row = (place * (2 * list + 3) + list) % 31;
      lists[list].push_back({row, 0});
      scores[row] += 1.0 / static_cast<double>(10 + place + 1);
    }
  std::vector<std::int64_t> order(31);
  for (std::int64_t row = 0; row < 31; ++row) order[row] = 30 - row;
  Rows expected;
  for (const auto& [row, score] : scores) expected.push_back(row);
  std::sort(expected.begin(), expected.end(), [&](std::int64_t a, std::int64_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a > b;
  });
  EXPECT_EQ(rows_of(fuse_ranks(lists, 100, order, 10)), expected);
}

// Sixty passages of which each query has its own word in one, and another passage marked.
EmbeddingQAFinetuneDataset words_dataset() {
  EmbeddingQAFinetuneDataset dataset;
  for (int i = 0; i < 60; ++i)
    dataset.corpus.add("p" + std::to_string(i),
                       "passage word" + std::to_string(i) + (i < 5 ? " common" : ""));
  for (int i = 0; i < 12; ++i) {
    dataset.queries.add("q" + std::to_string(i), "common word" + std::to_string(i));
    dataset.relevant_docs.push_back({i, (i + 7) % 60});
  }
  return dataset;
}

class SearchesTest : public ::testing::Test {
 protected:
  SearchesTest() { std::filesystem::remove_all(folder_); }
  std::vector<Evaluation> search(const std::vector<std::string>& searches) const {
    return evaluate_searches(model_, "m", dataset_, {1, 10}, searches, folder_);
  }
  EmbeddingQAFinetuneDataset dataset_ = words_dataset();
  std::shared_ptr<FakeEmbedding> model_ = std::make_shared<FakeEmbedding>();
  std::string folder_ = ::testing::TempDir() + "attune_searches_index";
};

TEST_F(SearchesTest, NoneIsTheModelAlone) {
  const std::vector<Evaluation> alone = search({});
  ASSERT_EQ(alone.size(), 1u);
  EXPECT_EQ(alone[0].model, "m");
  EXPECT_EQ(alone[0].metrics.per_query, evaluate(*model_, dataset_, {1, 10}).metrics.per_query);
}

TEST_F(SearchesTest, ExactIndexRanksAsTheModel) {
  const std::vector<Evaluation> rows = search({"index", "approximate_index"});
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[1].model, "m (index)");
  EXPECT_EQ(rows[1].against, "m");
  EXPECT_FALSE(rows[1].is_candidate);
  for (std::size_t query = 0; query < rows[0].rankings.size(); ++query) {
    EXPECT_EQ(rows[1].rankings[query].retrieved, rows[0].rankings[query].retrieved);
    EXPECT_EQ(rows[1].scores[query].retrieved, rows[0].scores[query].retrieved);
    // The graph scores as exactly, and may only miss some.
    for (std::size_t i = 0; i < rows[2].rankings[query].retrieved.size(); ++i) {
      const auto& exact = rows[0].rankings[query].retrieved;
      const auto at = std::find(exact.begin(), exact.end(), rows[2].rankings[query].retrieved[i]);
      ASSERT_NE(at, exact.end());
      EXPECT_EQ(rows[2].scores[query].retrieved[i],
                rows[0].scores[query].retrieved[at - exact.begin()]);
    }
  }
  EXPECT_EQ(model_->embedded_texts(), 60) << "every passage once";
  EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(SearchesTest, RerankedIsBm25sPassagesByTheModelsCosines) {
  const std::vector<Evaluation> rows = search({"reranked"});
  const Evaluation bm25 = evaluate_bm25(dataset_, {1, 10});
  for (std::size_t query = 0; query < bm25.rankings.size(); ++query) {
    const std::vector<std::int64_t>& dense = rows[0].rankings[query].retrieved;
    std::vector<std::int64_t> expected;  // the model's order of those that BM25 found
    for (const std::int64_t row : dense)
      if (std::ranges::find(bm25.rankings[query].retrieved, row) !=
          bm25.rankings[query].retrieved.end())
        expected.push_back(row);
    EXPECT_EQ(rows[1].rankings[query].retrieved, expected);
    EXPECT_LT(expected.size(), dense.size());
  }
}

TEST_F(SearchesTest, HybridFusesBothRankings) {
  const Evaluation hybrid = search({"hybrid"})[1];
  const Evaluation dense = evaluate(*model_, dataset_, {1, 10});
  const Evaluation bm25 = evaluate_bm25(dataset_, {1, 10});
  for (std::size_t query = 0; query < hybrid.rankings.size(); ++query) {
    std::map<std::int64_t, double> scores;
    for (const Evaluation* system : {&dense, &bm25})
      for (std::size_t i = 0; i < system->rankings[query].retrieved.size(); ++i)
        scores[system->rankings[query].retrieved[i]] += 1.0 / static_cast<double>(61 + i);
    const std::int64_t first = hybrid.rankings[query].retrieved[0];
    for (const auto& [row, score] : scores) EXPECT_LE(score, scores[first] + 1e-12);
    EXPECT_EQ(hybrid.rankings[query].retrieved.size(), scores.size());
    EXPECT_TRUE(std::isnan(hybrid.scores[query].positive)) << "no similarity";
  }
}

TEST_F(SearchesTest, AnotherSearchIsRefused) {
  try {
    search({"colbert"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_NE(std::string(error.what()).find("approximate_index"), std::string::npos);
  }
}

}  // namespace
}  // namespace attune
