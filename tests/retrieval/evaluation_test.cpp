#include "retrieval/evaluation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>

#include "core/error.h"
#include "core/json.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

const std::string kShared = source_path("../shared/data/");

// Embeds by a rule made for the test, and remembers how it was asked.
class FakeEmbedding : public BaseEmbedding {
 public:
  using Rule = std::vector<float> (*)(Role, std::string_view);
  FakeEmbedding(int dimension, Rule rule) : dimension_(dimension), rule_(rule) {}
  int dimension() const override { return dimension_; }
  std::string model_name() const override { return "fake"; }
  std::string document_space() const override { return "fake"; }
  std::string query_space() const override { return "fake"; }

 protected:
  void embed(Role role, std::span<const std::string_view> texts,
             std::span<float> out) const override {
    for (std::size_t i = 0; i < texts.size(); ++i)
      std::ranges::copy(rule_(role, texts[i]), out.begin() + i * dimension_);
  }

 private:
  int dimension_;
  Rule rule_;
};

struct Entry {
  std::string id, text;
};

EmbeddingQAFinetuneDataset make_dataset(const std::vector<Entry>& queries,
                                        const std::vector<Entry>& corpus,
                                        std::vector<std::vector<std::int64_t>> relevant) {
  EmbeddingQAFinetuneDataset dataset;
  for (const Entry& entry : queries) dataset.queries.add(entry.id, entry.text);
  for (const Entry& entry : corpus) dataset.corpus.add(entry.id, entry.text);
  dataset.relevant_docs = std::move(relevant);
  return dataset;
}

// One dimension per word of the peer's test, as its embedding rule says.
std::vector<float> bag_of_words(Role, std::string_view text) {
  std::vector<float> out;
  for (const char* word : {"pokemon", "car", "vehicle", "fruit", "vegetable"})
    out.push_back(text.find(word) != std::string_view::npos ? 1.0f : 0.0f);
  return out;
}

TEST(Evaluate, SentenceTransformersOwnTest) {
  const std::string path = kShared + "fixtures_vectors/raw/st_information_retrieval.json";
  if (!std::filesystem::exists(path))
    GTEST_SKIP() << "no shared/data/fixtures_vectors beside the source folder";
  const Json file = read_json_file(path);
  EmbeddingQAFinetuneDataset dataset;
  for (const auto& [id, text] : file["corpus"].items()) dataset.corpus.add(id, text);
  for (const auto& [id, text] : file["queries"].items()) {
    dataset.queries.add(id, text);
    auto& relevant = dataset.relevant_docs.emplace_back();
    for (const std::string passage : file["relevant_docs"][id])
      relevant.push_back(dataset.corpus.find(passage));
  }
  const Evaluation evaluation = evaluate(FakeEmbedding(5, bag_of_words), dataset, {1, 3});
  for (const std::string name :
       {"precision@1", "precision@3", "recall@1", "recall@3", "ndcg@3", "mrr@3"})
    EXPECT_NEAR(evaluation.metrics.mean(name), file["expected"][name].get<double>(), 1e-12) << name;
  EXPECT_EQ(evaluation.metrics.mean("hit_rate@1"), file["expected"]["accuracy@1"].get<double>());
  EXPECT_EQ(evaluation.metrics.mean("map@100"), file["expected"]["map@5"].get<double>());
}

std::vector<float> all_equal(Role, std::string_view) { return {0.6f, 0.8f}; }

// Twenty passages with one vector, as in the peer's test of ties.
TEST(Evaluate, TiesStandInOrderOfIds) {
  std::vector<Entry> corpus;
  for (int i = 19; i >= 0; --i)
    corpus.push_back({"d" + std::string(i < 10 ? "0" : "") + std::to_string(i), "x"});
  const auto dataset =
      make_dataset({{"q0", "a"}, {"q1", "b"}}, corpus, {{19, 4}, {12}});  // d00, d15; d07
  const Evaluation evaluation = evaluate(FakeEmbedding(2, all_equal), dataset, {1, 8});
  EXPECT_EQ(evaluation.metrics.mean("hit_rate@1"), 0.5);
  EXPECT_EQ(evaluation.metrics.values("mrr@8")[1], 1.0 / 8);
  EXPECT_EQ(evaluation.rankings[0].retrieved.front(), 19);
  EXPECT_EQ(evaluation.rankings[0].retrieved.size(), 20u);
}

TEST(Evaluate, IdsAreComparedAsStrings) {
  const auto dataset =
      make_dataset({{"q", "x"}}, {{"9", "x"}, {"10", "x"}, {"é", "x"}, {"z", "x"}}, {{1}});
  EXPECT_EQ(evaluate(FakeEmbedding(2, all_equal), dataset, {1}).rankings[0].retrieved,
            (std::vector<std::int64_t>{1, 0, 3, 2}));
  EXPECT_EQ(evaluate_bm25(dataset, {1}).rankings[0].retrieved,
            (std::vector<std::int64_t>{1, 0, 3, 2}));
}

// Only a query is turned around; passages and queries must go through their own methods.
std::vector<float> opposite_roles(Role role, std::string_view text) {
  const float sign = role == Role::kQuery ? -1.0f : 1.0f;
  return {text == "left" ? -sign : sign, 0.5f};
}

TEST(Evaluate, QueriesAndPassagesKeepTheirRoles) {
  const auto dataset = make_dataset({{"q", "left"}}, {{"a", "left"}, {"b", "right"}}, {{1}});
  EXPECT_EQ(evaluate(FakeEmbedding(2, opposite_roles), dataset, {1}).metrics.mean("hit_rate@1"), 1);
}

std::vector<float> zeros_for_empty(Role, std::string_view text) {
  return text.empty() ? std::vector<float>{0, 0}
                      : std::vector<float>{1, text == "far" ? -1.0f : 1.0f};
}

TEST(Evaluate, ZeroVectorsRankAsSimilarityZero) {
  const auto dataset = make_dataset({{"q1", "near"}, {"q2", ""}},
                                    {{"c", "far"}, {"b", ""}, {"a", "near"}}, {{2}, {0}});
  const Evaluation evaluation = evaluate(FakeEmbedding(2, zeros_for_empty), dataset, {1, 3});
  EXPECT_EQ(evaluation.rankings[0].retrieved, (std::vector<std::int64_t>{2, 1, 0}));
  EXPECT_EQ(evaluation.rankings[1].retrieved, (std::vector<std::int64_t>{2, 1, 0}));
  EXPECT_EQ(evaluation.metrics.values("mrr@3"), (std::vector<double>{1, 1.0 / 3}));
}

// One query at 60 degrees to the passage that answers it, one that answers all.
std::vector<float> by_angle(Role, std::string_view text) {
  if (text == "far") return {-1, 0};
  return text == "slant" ? std::vector<float>{1, std::sqrt(3.0f)} : std::vector<float>{2, 0};
}

TEST(Evaluate, ScoresOfRightWrongAndRandomPassages) {
  const auto dataset = make_dataset({{"q", "straight"}, {"r", "straight"}},
                                    {{"a", "slant"}, {"b", "far"}}, {{0}, {0, 1}});
  const Evaluation evaluation = evaluate(FakeEmbedding(2, by_angle), dataset, {1});
  ASSERT_EQ(evaluation.scores.size(), 2u);
  const QueryScores& one = evaluation.scores[0];
  ASSERT_EQ(one.retrieved.size(), 2u);
  EXPECT_NEAR(one.retrieved[0], 0.5, 1e-6);
  EXPECT_EQ(one.positive, one.retrieved[0]);
  EXPECT_EQ(one.negative, -1);
  EXPECT_EQ(one.random, -1) << "the only one that is not relevant";
  EXPECT_EQ(evaluation.scores[1].positive, one.positive) << "the nearer of the two";
  EXPECT_TRUE(std::isnan(evaluation.scores[1].negative));
  EXPECT_TRUE(std::isnan(evaluation.scores[1].random));
}

TEST(Evaluate, APositiveThatWasNotRetrievedHasItsScore) {
  std::vector<Entry> corpus = {{"z", "far"}};
  for (int i = 0; i < 150; ++i) corpus.push_back({std::to_string(i), "slant"});
  const auto dataset = make_dataset({{"q", "straight"}}, corpus, {{0}});
  const QueryScores scores = evaluate(FakeEmbedding(2, by_angle), dataset, {1}).scores[0];
  EXPECT_EQ(scores.retrieved.size(), 100u);
  EXPECT_EQ(scores.positive, -1);
  EXPECT_NEAR(scores.random, 0.5, 1e-6);
  const QueryScores bm25 = evaluate_bm25(dataset, {1}).scores[0];
  EXPECT_TRUE(std::isnan(bm25.positive)) << "not retrieved: no score";
  EXPECT_TRUE(std::isnan(bm25.random));
}

TEST(Evaluate, LeavesOutQueriesWithoutARelevantPassage) {
  const auto dataset = make_dataset({{"q0", "a"}, {"q1", "b"}, {"q2", "b"}},
                                    {{"x", "b"}, {"y", "c"}}, {{}, {0, 0}, {1}});
  testing::internal::CaptureStderr();
  const Evaluation evaluation = evaluate(FakeEmbedding(2, all_equal), dataset, {2});
  EXPECT_NE(testing::internal::GetCapturedStderr().find("left out 1 of 3 queries"),
            std::string::npos);
  EXPECT_EQ(evaluation.query_rows, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(evaluation.rankings[0].relevant,
            std::vector<std::int64_t>{0});  // named twice, counted once
  EXPECT_EQ(evaluation.metrics.values("recall@2"), (std::vector<double>{1, 1}));
  EXPECT_EQ(evaluation.model, "fake");
}

TEST(Evaluate, HundredDeepOrAsDeepAsTheLargestK) {
  std::vector<Entry> corpus;
  for (int i = 0; i < 140; ++i) corpus.push_back({std::to_string(i), "word"});
  const auto dataset = make_dataset({{"q", "word"}}, corpus, {{0}});
  for (const auto& [k, depth] : std::map<int, std::size_t>{{1, 100}, {120, 120}, {500, 140}}) {
    EXPECT_EQ(evaluate(FakeEmbedding(2, all_equal), dataset, {k}).rankings[0].retrieved.size(),
              depth);
    EXPECT_EQ(evaluate_bm25(dataset, {k}).rankings[0].retrieved.size(), depth);
  }
}

ErrorKind kind_of_error(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "no error";
  return ErrorKind::kFailed;
}

std::vector<float> not_a_number(Role, std::string_view) {
  return {std::numeric_limits<float>::quiet_NaN(), 0};
}

TEST(Evaluate, Errors) {
  const FakeEmbedding fake(2, all_equal);
  const auto good = make_dataset({{"q", "a"}}, {{"x", "a"}}, {{0}});
  const auto unanswered = make_dataset({{"q", "a"}}, {{"x", "a"}}, {{}});
  const auto empty = make_dataset({}, {}, {});
  for (const auto* dataset : {&unanswered, &empty}) {
    EXPECT_EQ(kind_of_error([&] { evaluate(fake, *dataset, {1}); }), ErrorKind::kData);
    EXPECT_EQ(kind_of_error([&] { evaluate_bm25(*dataset, {1}); }), ErrorKind::kData);
  }
  for (const std::vector<int>& k : {std::vector<int>{}, {0}, {5, -1}}) {
    EXPECT_EQ(kind_of_error([&] { evaluate(fake, good, k); }), ErrorKind::kConfig);
    EXPECT_EQ(kind_of_error([&] { evaluate_bm25(good, k); }), ErrorKind::kConfig);
  }
  EXPECT_EQ(kind_of_error([&] { evaluate(FakeEmbedding(2, not_a_number), good, {1}); }),
            ErrorKind::kData);
}

TEST(EvaluateBm25, PassagesWithoutASharedWordAreNotRanked) {
  const auto dataset = make_dataset({{"q", "boat"}, {"r", "nothing"}},
                                    {{"x", "a boat"}, {"y", "a tree"}}, {{0}, {1}});
  const Evaluation evaluation = evaluate_bm25(dataset, {1});
  EXPECT_EQ(evaluation.model, "BM25");
  EXPECT_EQ(evaluation.rankings[0].retrieved, std::vector<std::int64_t>{0});
  EXPECT_TRUE(evaluation.rankings[1].retrieved.empty());
  EXPECT_EQ(evaluation.metrics.mean("hit_rate@1"), 0.5);
}

// The floor that the notes on this data set record for BM25 with the same parameters.
TEST(EvaluateBm25, FloorOfTheTenKSet) {
  const std::string path = kShared + "finetune_embedding/retrieval/val.json";
  if (!std::filesystem::exists(path))
    GTEST_SKIP() << "no shared/data/finetune_embedding beside the source folder";
  const Evaluation evaluation =
      evaluate_bm25(EmbeddingQAFinetuneDataset::from_json(path), {1, 3, 5, 10});
  EXPECT_EQ(evaluation.query_rows.size(), 790u);
  EXPECT_NEAR(evaluation.metrics.mean("hit_rate@1"), 0.6380, 0.01);
  EXPECT_NEAR(evaluation.metrics.mean("hit_rate@3"), 0.8291, 0.01);
  EXPECT_NEAR(evaluation.metrics.mean("hit_rate@5"), 0.8759, 0.01);
  EXPECT_NEAR(evaluation.metrics.mean("hit_rate@10"), 0.9203, 0.01);
  EXPECT_NEAR(evaluation.metrics.mean("mrr@10"), 0.7385, 0.01);
  EXPECT_NEAR(evaluation.metrics.mean("ndcg@10"), 0.7831, 0.01);
}

}  // namespace
}  // namespace attune
