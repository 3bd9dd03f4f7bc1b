#include "retrieval/hard_negatives.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

#include "core/error.h"

namespace attune {
namespace {

using Rows = std::vector<std::int64_t>;

// A text "0.8 ..." is a vector at that cosine to every query.
std::vector<float> at_cosine(std::string_view text) {
  const float cosine = std::stof(std::string(text));
  return {cosine, std::sqrt(1 - cosine * cosine)};
}

class CosineEmbedding : public BaseEmbedding {
 public:
  int dimension() const override { return 2; }
  std::string model_name() const override { return "cosines"; }
  std::string document_space() const override { return "cosines"; }
  std::string query_space() const override { return "cosines"; }
  mutable std::size_t most_queries = 0;  // in one call

 protected:
  void embed(Role role, std::span<const std::string_view> texts,
             std::span<float> out) const override {
    if (role == Role::kQuery) most_queries = std::max(most_queries, texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i)
      std::ranges::copy(role == Role::kQuery ? std::vector<float>{1, 0} : at_cosine(texts[i]),
                        out.begin() + 2 * i);
  }
};

const CosineEmbedding kCosines;

// A vector drawn anew for each text.
class RandomEmbedding : public BaseEmbedding {
 public:
  int dimension() const override { return 16; }
  std::string model_name() const override { return "random"; }
  std::string document_space() const override { return "random"; }
  std::string query_space() const override { return "random"; }

 protected:
  void embed(Role, std::span<const std::string_view> texts, std::span<float> out) const override {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      std::seed_seq seed(texts[i].begin(), texts[i].end());
      std::mt19937 engine(seed);
      for (int d = 0; d < 16; ++d)
        out[16 * i + d] = static_cast<float>(engine() / 4294967296.0 - 0.5);
    }
  }
};

EmbeddingQAFinetuneDataset make_dataset(const std::vector<std::string>& queries,
                                        const std::vector<std::string>& corpus,
                                        std::vector<Rows> relevant) {
  EmbeddingQAFinetuneDataset dataset;
  for (const std::string& text : queries)
    dataset.queries.add(str_cat("q", dataset.queries.size()), text);
  for (const std::string& text : corpus)
    dataset.corpus.add(str_cat("d", dataset.corpus.size()), text);
  dataset.relevant_docs = std::move(relevant);
  return dataset;
}

// One query; the passage of row 0 answers it with cosine 0.8.
EmbeddingQAFinetuneDataset one_query(const std::vector<std::string>& others) {
  std::vector<std::string> corpus = {"0.8 positive"};
  corpus.insert(corpus.end(), others.begin(), others.end());
  return make_dataset({"what?"}, corpus, {{0}});
}

// Without the default's margin, and deep enough for everything.
MiningConfig plain(int num_negatives) {
  MiningConfig config;
  config.num_negatives = num_negatives;
  config.range_max = 100;
  config.relative_margin.reset();
  return config;
}

Rows mined(const EmbeddingQAFinetuneDataset& dataset, const MiningConfig& config) {
  return mine_hard_negatives(dataset, &kCosines, config).rows.at(0);
}

EmbeddingQAFinetuneDataset random_dataset(int queries, int passages) {
  EmbeddingQAFinetuneDataset dataset;
  for (int i = 0; i < passages; ++i)
    dataset.corpus.add(str_cat("d", i), str_cat("passage ", i % (passages - 7)));
  for (int i = 0; i < queries; ++i) {
    dataset.queries.add(str_cat("q", i), str_cat("query ", i % (queries - 5)));
    dataset.relevant_docs.push_back({i % passages});
    if (i % 3 == 0) dataset.relevant_docs.back().push_back((i * 7 + 1) % passages);
  }
  return dataset;
}

TEST(HardNegatives, AreTheBestThatDoNotAnswer) {
  const auto dataset = one_query({"0.1", "0.9", "0.5", "0.7"});
  EXPECT_EQ(mined(dataset, plain(2)), (Rows{2, 4}));
  EXPECT_EQ(mined(dataset, plain(9)), (Rows{2, 4, 3, 1}));
}

TEST(HardNegatives, EqualScoresRankByRow) {
  EXPECT_EQ(mined(one_query({"0.3 a", "0.5 b", "0.5 c", "0.3 d"}), plain(4)), (Rows{2, 3, 1, 4}));
}

TEST(HardNegatives, RangeCountsWhatTheGuardsLeave) {
  const auto dataset = one_query({"0.9", "0.7", "0.6", "0.5", "0.4"});
  MiningConfig config = plain(1);
  config.range_min = 1;
  EXPECT_EQ(mined(dataset, config), (Rows{2}));
  config.max_score = 0.85;  // 0.9 is dropped before range_min counts
  EXPECT_EQ(mined(dataset, config), (Rows{3}));
  // range_max 2 and one positive: three are ranked, of which one answers and one is dropped.
  config = plain(2);
  config.range_max = 2;
  EXPECT_EQ(mined(dataset, config), (Rows{1, 2}));
  config.max_score = 0.85;
  EXPECT_EQ(mined(dataset, config), (Rows{2}));
}

TEST(HardNegatives, RangeMaxIsDerivedAsThePeerDoes) {
  MiningConfig config = plain(3);
  config.range_max = 0;
  config.range_min = 5;
  const auto dataset = make_dataset({"a?", "b?"}, {"0.1", "0.2", "0.3"}, {{0, 1}, {2}});
  const CosineEmbedding model;
  EXPECT_EQ(mine_hard_negatives(dataset, &model, config).range_max, 5 + 3 + 2);
  config.relative_margin = 0.05;
  EXPECT_EQ(mine_hard_negatives(dataset, &model, config).range_max, 5 + 30 + 2);
}

// Each limit keeps a score that is equal to it (0.5 and its neighbours are exact in binary).
TEST(HardNegatives, MarginsAndLimits) {
  const auto dataset = make_dataset({"what?"}, {"1", "0.75", "0.5", "0.25", "0"}, {{0}});
  MiningConfig config = plain(4);
  config.max_score = 0.5;
  EXPECT_EQ(mined(dataset, config), (Rows{2, 3, 4}));
  config = plain(4);
  config.min_score = 0.5;
  EXPECT_EQ(mined(dataset, config), (Rows{1, 2}));
  config = plain(4);
  config.absolute_margin = 0.5;
  EXPECT_EQ(mined(dataset, config), (Rows{2, 3, 4}));
  config = plain(4);
  config.relative_margin = 0.75;
  EXPECT_EQ(mined(dataset, config), (Rows{3, 4}));
  config.num_negatives = 3;
  config.absolute_margin = 0.125;
  config.min_score = 0.125;
  const MinedNegatives counted = mine_hard_negatives(dataset, &kCosines, config);
  EXPECT_EQ(counted.candidates, 4);
  EXPECT_EQ(counted.dropped_relative_margin, 2);
  EXPECT_EQ(counted.dropped_absolute_margin, 0);
  EXPECT_EQ(counted.dropped_min_score, 1);
  EXPECT_EQ(counted.incomplete, 1);
}

// A positive with a negative score: the margin goes down from it (the peer's #3819).
TEST(HardNegatives, RelativeMarginBelowANegativePositive) {
  const auto dataset = make_dataset({"what?"}, {"-0.5", "-0.5 too", "-0.6", "-0.9"}, {{0}});
  MiningConfig config = plain(1);
  config.relative_margin = 0.3;
  EXPECT_EQ(mined(dataset, config), (Rows{3}));
}

TEST(HardNegatives, TheLowestPositiveDecides) {
  const auto dataset = make_dataset({"what?"}, {"0.9", "0.4", "0.6", "0.3"}, {{0, 1}});
  MiningConfig config = plain(1);
  EXPECT_EQ(mined(dataset, config), (Rows{2}));
  config.absolute_margin = 0;
  EXPECT_EQ(mined(dataset, config), (Rows{3}));
}

TEST(HardNegatives, ByDefaultAMarginOfFivePercent) {
  MiningConfig config;
  config.num_negatives = 1;
  EXPECT_EQ(mined(one_query({"0.9", "0.79", "0.7"}), config), (Rows{3}));
}

TEST(HardNegatives, TheSameDocument) {
  const auto dataset = one_query({"0.7", "0.6", "0.5"});
  const MiningConfig config = plain(2);
  const CosineEmbedding model;
  EXPECT_EQ(mine_hard_negatives(dataset, &model, config).rows[0], (Rows{1, 2}));
  const Rows documents = {8, 8, 3, 4};
  const MinedNegatives guarded = mine_hard_negatives(dataset, &model, config, documents);
  EXPECT_EQ(guarded.rows[0], (Rows{2, 3}));
  EXPECT_EQ(guarded.dropped_same_document, 1);
}

// A passage that repeats a positive is none of the negatives, nor is one of them there twice.
TEST(HardNegatives, RepeatedPassages) {
  const auto dataset = one_query(
      {"0.8  POSITIVE\n", "0.7 Caf\u00c9", "0.7\u00a0cafe\u0301", "0.6", " ", "0.7 cafe"});
  const MinedNegatives result = mine_hard_negatives(dataset, &kCosines, plain(3));
  EXPECT_EQ(result.rows[0], (Rows{2, 6, 4}));
  EXPECT_EQ(result.repeated_passages, 2);
  EXPECT_EQ(result.blank_passages, 1);
}

// What answers a question answers its repetition, too.
TEST(HardNegatives, RepeatedQueriesShareTheirPositives) {
  const auto dataset =
      make_dataset({"What is it?", "what  is it?"}, {"0.9", "0.8", "0.7"}, {{0}, {1}});
  const MinedNegatives result = mine_hard_negatives(dataset, &kCosines, plain(1));
  EXPECT_EQ(result.rows, (std::vector<Rows>{{2}, {2}}));
}

TEST(HardNegatives, RandomChoiceIsReproducible) {
  const EmbeddingQAFinetuneDataset dataset = random_dataset(50, 200);
  const RandomEmbedding model;
  MiningConfig config = plain(4);
  config.range_max = 40;
  config.sampling_strategy = "random";
  const auto first = mine_hard_negatives(dataset, &model, config).rows;
  EXPECT_EQ(mine_hard_negatives(dataset, &model, config, {}, 7).rows, first);
  config.seed = 43;
  EXPECT_NE(mine_hard_negatives(dataset, &model, config).rows, first);
  // Of the candidates, in their order, each as often as any other.
  config.num_negatives = 40;
  const auto all = mine_hard_negatives(dataset, &model, config).rows;
  std::vector<int> drawn(40);
  config.num_negatives = 4;
  for (config.seed = 0; config.seed < 100; ++config.seed) {
    const auto rows = mine_hard_negatives(dataset, &model, config).rows;
    for (std::size_t query = 0; query < rows.size(); ++query) {
      ASSERT_EQ(rows[query].size(), 4u);
      auto place = all[query].begin();
      for (const std::int64_t row : rows[query]) {
        place = std::find(place, all[query].end(), row);
        ASSERT_NE(place, all[query].end());
        ++drawn[place++ - all[query].begin()];
      }
    }
  }
  for (const int count : drawn) EXPECT_NEAR(count, 500, 120);  // 5.6 standard deviations
}

TEST(HardNegatives, BlocksOfQueriesChangeNothing) {
  const EmbeddingQAFinetuneDataset dataset = random_dataset(101, 300);
  const RandomEmbedding model;
  for (const char* source : {"model", "bm25", "both"}) {
    MiningConfig config;
    config.source = source;
    const MinedNegatives whole = mine_hard_negatives(dataset, &model, config);
    for (const std::int64_t block : {1, 13, 100, 101}) {
      const MinedNegatives parts = mine_hard_negatives(dataset, &model, config, {}, block);
      EXPECT_EQ(parts.rows, whole.rows) << source << block;
      EXPECT_EQ(parts.candidates, whole.candidates) << source << block;
    }
  }
  const CosineEmbedding counting;
  const auto many = make_dataset(std::vector<std::string>(50, "q"), {"0.1", "0.2"},
                                 std::vector<Rows>(50, Rows{0}));
  mine_hard_negatives(many, &counting, plain(1), {}, 8);
  EXPECT_EQ(counting.most_queries, 8u);
}

// However deep the ranking: what is held of it does not grow with range_max times queries.
TEST(HardNegatives, DeepRankingsTakeSmallBlocks) {
  std::vector<std::string> corpus, queries(250, "q");
  for (int i = 0; i < 20'000; ++i) corpus.push_back(str_cat("0.", 10000 + i));
  const auto dataset = make_dataset(queries, corpus, std::vector<Rows>(250, Rows{0}));
  const CosineEmbedding model;
  MiningConfig config = plain(1);
  config.range_max = std::numeric_limits<int>::max();
  config.range_min = 19'000;
  EXPECT_EQ(mine_hard_negatives(dataset, &model, config).complete, 250);
  EXPECT_LE(model.most_queries, (std::size_t{1} << 22) / 20'000);
}

TEST(HardNegatives, Bm25) {
  const auto dataset = make_dataset(
      {"red fox"}, {"the red fox", "a red fox ran", "red paint", "fox", "nothing"}, {{0}});
  MiningConfig config = plain(4);
  config.source = "bm25";
  const MinedNegatives result = mine_hard_negatives(dataset, nullptr, config);
  // "fox" is the shorter one; the passage that shares no word is no candidate.
  EXPECT_EQ(result.rows[0], (Rows{1, 3, 2}));
  EXPECT_EQ(result.incomplete, 1);
  config.relative_margin = 0.1;  // row 1 has the same words among more: 0.92 of the positive's
  config.num_negatives = 2;
  EXPECT_EQ(mine_hard_negatives(dataset, nullptr, config).rows[0], (Rows{3, 2}));
}

// A positive that shares no word with its query scores 0: nothing is safely below it.
TEST(HardNegatives, Bm25WithAnUnrankedPositive) {
  const auto dataset = make_dataset({"red fox"}, {"nothing", "red", "fox"}, {{0}});
  MiningConfig config;
  config.source = "bm25";
  const MinedNegatives result = mine_hard_negatives(dataset, nullptr, config);
  EXPECT_EQ(result.rows[0], Rows{});
  EXPECT_EQ(result.dropped_relative_margin, 2);
}

TEST(HardNegatives, BothTakeTurnsAndTheModelScores) {
  const auto dataset = make_dataset(
      {"1 red fox"}, {"0.5 it", "0.9 x", "0.8 y", "0.3 red fox", "0.2 red", "0.99 fox"}, {{0}});
  MiningConfig config = plain(4);
  config.source = "both";
  // By the model 5 1 2 0 3 4, by BM25 3 and then 4 and 5.
  const Rows rows = mined(dataset, config);
  EXPECT_EQ(rows, (Rows{5, 3, 1, 4}));
  config.relative_margin = 0.05;  // by cosine: 0.99 may answer, whatever its words
  EXPECT_EQ(mined(dataset, config)[0], 3);
}

TEST(HardNegatives, SettingsThatGiveNothing) {
  const auto dataset = one_query({"0.5"});
  const auto refused = [&](const MiningConfig& config, const BaseEmbedding* model) {
    try {
      mine_hard_negatives(dataset, model, config);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kConfig);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const CosineEmbedding model;
  MiningConfig config = plain(3);
  config.range_max = 4;
  config.range_min = 2;
  EXPECT_NE(refused(config, &model).find("leaves 2 candidates"), std::string::npos);
  config = plain(0);
  EXPECT_NE(refused(config, &model).find("num_negatives 0"), std::string::npos);
  config = plain(1);
  EXPECT_NE(refused(config, nullptr).find("source model needs a model"), std::string::npos);
  config.source = "bm52";
  EXPECT_NE(refused(config, &model).find("'bm52' is not known"), std::string::npos);
  config = plain(1);
  config.sampling_strategy = "best";
  EXPECT_NE(refused(config, &model).find("'best' is not known"), std::string::npos);
}

TEST(HardNegatives, DataSetsWithNothingToFind) {
  const CosineEmbedding model;
  const MinedNegatives empty = mine_hard_negatives({}, &model, MiningConfig());
  EXPECT_TRUE(empty.rows.empty());
  const auto no_corpus = make_dataset({"a?"}, {}, {{}});
  EXPECT_EQ(mine_hard_negatives(no_corpus, &model, MiningConfig()).unanswered, 1);
  const auto alone = make_dataset({"a?", "b?", " ", "c?"}, {"0.5", ""}, {{0}, {}, {0}, {1}});
  const MinedNegatives result = mine_hard_negatives(alone, &model, MiningConfig());
  EXPECT_EQ(result.rows, std::vector<Rows>(4));
  EXPECT_EQ(result.incomplete, 1);  // its positive is the whole corpus
  EXPECT_EQ(result.unanswered, 3);  // none, a blank query, a blank passage
  EXPECT_EQ(result.complete, 0);
  MiningConfig config;
  config.num_negatives = std::numeric_limits<int>::max();  // ten times as many do not overflow
  EXPECT_EQ(mined(one_query({"0.1", "0.2"}), config), (Rows{2, 1}));
  config.min_score = 2;
  EXPECT_EQ(mine_hard_negatives(one_query({"0.1", "0.2"}), &model, config).dropped_min_score, 2);
}

TEST(HardNegatives, TextsThatAreNotUtf8AreEqualToThemselvesAlone) {
  const auto dataset = one_query({"0.7 \xff", "0.7 \xff", "0.7 \xfe"});
  EXPECT_EQ(mined(dataset, plain(3)), (Rows{1, 3}));
}

TEST(HardNegatives, ADamagedModelIsToldOf) {
  class Damaged : public CosineEmbedding {
    void embed(Role, std::span<const std::string_view>, std::span<float> out) const override {
      std::ranges::fill(out, std::nanf(""));
    }
  };
  const Damaged damaged;
  try {
    mine_hard_negatives(one_query({"0.5"}), &damaged, plain(1));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
  }
}

TEST(HardNegatives, TheSidecarTrains) {
  const std::string path =
      (std::filesystem::path(testing::TempDir()) / "hard.negatives.jsonl").string();
  const auto dataset =
      make_dataset({"a?", "b?", "c?"}, {"0.9 a", "0.5 b", "0.4 c"}, {{0}, {}, {1, 2}});
  const MinedNegatives result = mine_hard_negatives(dataset, &kCosines, plain(2));
  EXPECT_EQ(result.complete, 1);
  EXPECT_EQ(result.incomplete, 1);
  result.save_jsonl(path, dataset);
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(text,
            "{\"query_id\":\"q0\",\"negatives\":[\"d1\",\"d2\"]}\n"
            "{\"query_id\":\"q2\",\"negatives\":[]}\n");
  const TrainingRows rows = make_training_rows(dataset, true, path);
  EXPECT_EQ(rows.num_rows(), 1);
  EXPECT_EQ(rows.skipped_without_negatives, 1);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace attune
