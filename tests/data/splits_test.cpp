#include "data/splits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

#include "core/error.h"
#include "core/file.h"
#include "data/chunks/near_duplicates.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

using Pairs = std::vector<std::pair<std::int64_t, std::int64_t>>;

std::vector<std::int64_t> sizes_of(const std::vector<int>& parts, std::size_t count) {
  std::vector<std::int64_t> sizes(count);
  for (const int part : parts) ++sizes.at(part);
  return sizes;
}

TEST(SplitGroupsTest, FillsShares) {
  const std::vector<double> shares = {0.8, 0.1, 0.1};
  EXPECT_EQ(sizes_of(split_groups(1000, {}, shares, 7), 3),
            (std::vector<std::int64_t>{800, 100, 100}));
  EXPECT_EQ(sizes_of(split_groups(10, {}, std::vector<double>{3, 0, 1}, 7), 3)[1], 0);
  EXPECT_TRUE(split_groups(0, {}, shares, 7).empty());
}

TEST(SplitGroupsTest, IsDeterministicAndDependsOnTheSeed) {
  const std::vector<double> shares = {0.5, 0.5};
  EXPECT_EQ(split_groups(100, {}, shares, 7), split_groups(100, {}, shares, 7));
  EXPECT_NE(split_groups(100, {}, shares, 7), split_groups(100, {}, shares, 8));
}

TEST(SplitGroupsTest, KeepsTogetherOverOthers) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 100; ++round) {
    const std::int64_t items = 1 + random() % 60;
    Pairs together;
    for (std::uint64_t i = random() % 60; i > 0; --i)
      together.emplace_back(random() % items, random() % items);
    const std::vector<int> parts =
        split_groups(items, together, std::vector<double>{0.6, 0.2, 0.2}, round);
    for (const auto& [a, b] : together) EXPECT_EQ(parts[a], parts[b]);
  }
}

TEST(SplitGroupsTest, EveryPartGetsAGroupWhileThereAreAny) {
  const std::vector<double> shares = {0.9, 0.05, 0.05};
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Pairs together;  // 0 to 9 are one group, 10 and 11 two more
    for (std::int64_t i = 0; i < 9; ++i) together.emplace_back(i, i + 1);
    const std::vector<int> parts = split_groups(12, together, shares, seed);
    EXPECT_EQ(sizes_of(parts, 3), (std::vector<std::int64_t>{10, 1, 1}));
    EXPECT_EQ(parts[0], 0);
    const auto two = sizes_of(split_groups(2, {}, shares, seed), 3);
    EXPECT_EQ(*std::max_element(two.begin(), two.end()), 1);
  }
}

TEST(SplitGroupsTest, RefusesSharesThatMeanNothing) {
  for (const std::vector<double>& shares :
       {std::vector<double>{}, {0, 0}, {1, -0.1}, {1, std::nan("")}, {1e308, 1e308}})
    EXPECT_THROW(split_groups(3, {}, shares, 0), Error);
}

// No passage, near copy, query or document is in two parts; every row is in one, with its answers.
void expect_no_leak(const EmbeddingQAFinetuneDataset& whole,
                    const std::vector<EmbeddingQAFinetuneDataset>& parts, double near_duplicates,
                    const std::vector<std::string>& documents = {}) {
  std::int64_t passages = 0, queries = 0;
  std::map<std::string, std::size_t> part_of_text, part_of_query, part_of_document;
  std::vector<std::string_view> texts;
  std::vector<std::size_t> part_of_row;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    const EmbeddingQAFinetuneDataset& set = parts[part];
    passages += set.corpus.size(), queries += set.queries.size();
    for (std::int64_t row = 0; row < set.corpus.size(); ++row) {
      const std::int64_t old = whole.corpus.find(set.corpus.id(row));
      ASSERT_GE(old, 0);
      EXPECT_EQ(whole.corpus.text(old), set.corpus.text(row));
      EXPECT_EQ(part_of_text.try_emplace(set.corpus.text(row), part).first->second, part);
      if (!documents.empty()) {
        EXPECT_EQ(part_of_document.try_emplace(documents[old], part).first->second, part);
      }
      texts.emplace_back(set.corpus.text(row));
      part_of_row.push_back(part);
    }
    ASSERT_EQ(set.relevant_docs.size(), static_cast<std::size_t>(set.queries.size()));
    for (std::int64_t query = 0; query < set.queries.size(); ++query) {
      EXPECT_EQ(part_of_query.try_emplace(set.queries.text(query), part).first->second, part);
      const std::int64_t old = whole.queries.find(set.queries.id(query));
      ASSERT_GE(old, 0);
      std::vector<std::string> before, after;
      for (const std::int64_t row : whole.relevant_docs[old])
        before.push_back(whole.corpus.id(row));
      for (const std::int64_t row : set.relevant_docs[query]) after.push_back(set.corpus.id(row));
      EXPECT_EQ(before, after);
    }
  }
  EXPECT_EQ(passages, whole.corpus.size());
  EXPECT_EQ(queries, whole.queries.size());
  if (near_duplicates == 0) return;
  for (std::size_t a = 0; a < texts.size(); ++a)
    for (std::size_t b = 0; b < a; ++b)
      if (part_of_row[a] != part_of_row[b]) {
        ASSERT_LT(jaccard_similarity(texts[a], texts[b]), near_duplicates);
      }
}

// 30 documents with 5 passages each, some of them copies and near copies of other documents', some
// queries asked twice, some with several answers, some without any.
struct Sample {
  EmbeddingQAFinetuneDataset dataset;
  std::vector<std::string> documents;
};
Sample sample() {
  Sample result;
  std::mt19937_64 random(5);
  std::vector<std::string> texts;
  for (int row = 0; row < 150; ++row) {
    std::string text;
    for (int i = 0; i < 60; ++i) text += "w" + std::to_string(random() % 3000) + " ";
    if (row % 40 == 39) text = texts[random() % texts.size()];
    if (row % 50 == 49) text = texts[random() % texts.size()] + "end";
    texts.push_back(text);
    result.dataset.corpus.add("p" + std::to_string(row), text);
    result.documents.push_back("doc" + std::to_string(row / 5));
  }
  for (int query = 0; query < 200; ++query) {
    std::string text = "Question " + std::to_string(query) + "?";
    if (query % 60 == 59) text = "question  " + std::to_string(query - 1) + "?";
    result.dataset.queries.add("q" + std::to_string(query), text);
    std::vector<std::int64_t> rows = {static_cast<std::int64_t>(random() % 120)};
    if (query % 70 == 0) rows.push_back((rows[0] + 7) % 120);
    if (query % 90 == 1) rows.clear();
    result.dataset.relevant_docs.push_back(rows);
  }
  return result;
}

TEST(SplitDatasetTest, NothingLeaks) {
  const Sample all = sample();
  const std::vector<double> shares = {0.7, 0.15, 0.15};
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const auto parts = split_dataset(all.dataset, shares, 0.8, seed, all.documents);
    ASSERT_EQ(parts.size(), 3U);
    expect_no_leak(all.dataset, parts, 0.8, all.documents);
    for (const auto& part : parts) {
      EXPECT_GT(part.queries.size(), 0);
      EXPECT_GT(part.corpus.size(), 0);
    }
    EXPECT_NEAR(static_cast<double>(parts[0].queries.size()), 140, 30);
    expect_no_leak(all.dataset, split_dataset(all.dataset, shares, 0, seed), 0);
  }
}

TEST(SplitDatasetTest, QueriesThatDifferInCaseOrSpaceStayTogether) {
  EmbeddingQAFinetuneDataset dataset;
  for (int i = 0; i < 20; ++i) {
    dataset.corpus.add("p" + std::to_string(i), "passage " + std::to_string(i));
    dataset.queries.add("q" + std::to_string(i), i % 2 == 0 ? "Über  Straßen " : "über STRASSEN");
    dataset.relevant_docs.push_back({i});
  }
  const auto parts = split_dataset(dataset, std::vector<double>{0.5, 0.5}, 0, 1);
  EXPECT_EQ(std::max(parts[0].queries.size(), parts[1].queries.size()), 20);
}

TEST(SplitDatasetTest, RealDataIsSplitWithoutLeaks) {
  const std::string path = source_path("../shared/data/xquad/retrieval/test.en.json");
  if (!file_exists(path)) GTEST_SKIP() << "needs shared/data/xquad";
  const auto whole = EmbeddingQAFinetuneDataset::from_json(path);
  const auto parts = split_dataset(whole, std::vector<double>{0.8, 0.1, 0.1}, 0.5, 42);
  expect_no_leak(whole, parts, 0.5);
  EXPECT_NEAR(static_cast<double>(parts[1].queries.size()),
              0.1 * static_cast<double>(whole.queries.size()), 12);
}

}  // namespace
}  // namespace attune
