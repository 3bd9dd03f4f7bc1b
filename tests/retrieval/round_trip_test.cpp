#include "retrieval/round_trip.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"

namespace attune {
namespace {

// A text is an angle in degrees; queries and passages are asked apart.
class AngleEmbedding : public BaseEmbedding {
 public:
  int dimension() const override { return 2; }
  std::string model_name() const override { return "angles"; }
  std::string document_space() const override { return "angles"; }
  std::string query_space() const override { return "angles"; }
  mutable std::size_t most_queries = 0;

 protected:
  void embed(Role role, std::span<const std::string_view> texts,
             std::span<float> out) const override {
    if (role == Role::kQuery) most_queries = std::max(most_queries, texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const float angle = std::stof(std::string(texts[i])) * 0.01745329f;
      out[2 * i] = std::cos(angle);
      out[2 * i + 1] = std::sin(angle);
    }
  }
};

const std::vector<std::string_view> kPassages = {"0", "10", "20", "30", "10 again"};

TEST(RoundTrip, KeepsQuestionsThatFindTheirPassage) {
  const std::vector<std::string_view> questions = {"1", "1", "1", "29"};
  const std::vector<std::int64_t> passage_of = {0, 1, 2, 0};
  const AngleEmbedding model;
  const RoundTrip first = keep_round_trip(model, questions, passage_of, kPassages, 1);
  EXPECT_EQ(first.keep, (std::vector<bool>{true, false, false, false}));
  EXPECT_EQ(first.kept, 1);
  EXPECT_EQ(first.dropped, 3);
  EXPECT_EQ(keep_round_trip(model, questions, passage_of, kPassages, 2).keep,
            (std::vector<bool>{true, true, false, false}));
  EXPECT_EQ(keep_round_trip(model, questions, passage_of, kPassages, 4).kept, 3);
  EXPECT_EQ(keep_round_trip(model, questions, passage_of, kPassages, 1'000'000'000).kept, 4);
}

// Of two equal passages neither stands before the other.
TEST(RoundTrip, EqualPassagesDoNotDropEachOther) {
  const std::vector<std::string_view> questions = {"11", "11"};
  const std::vector<std::int64_t> passage_of = {1, 4};
  EXPECT_EQ(keep_round_trip(AngleEmbedding(), questions, passage_of, kPassages, 1).kept, 2);
}

TEST(RoundTrip, BlocksOfQuestionsChangeNothing) {
  std::vector<std::string> texts;
  std::vector<std::int64_t> passage_of;
  for (int i = 0; i < 45; ++i) {
    texts.push_back(std::to_string(i));
    passage_of.push_back(i % 5);
  }
  const std::vector<std::string_view> questions(texts.begin(), texts.end());
  const AngleEmbedding model;
  const RoundTrip whole = keep_round_trip(model, questions, passage_of, kPassages, 2);
  EXPECT_GT(whole.kept, 5);
  EXPECT_GT(whole.dropped, 5);
  model.most_queries = 0;
  EXPECT_EQ(keep_round_trip(model, questions, passage_of, kPassages, 2, 7).keep, whole.keep);
  EXPECT_EQ(model.most_queries, 7u);
}

TEST(RoundTrip, NothingAsked) {
  EXPECT_TRUE(keep_round_trip(AngleEmbedding(), {}, {}, kPassages, 1).keep.empty());
  EXPECT_TRUE(keep_round_trip(AngleEmbedding(), {}, {}, {}, 1).keep.empty());
  EXPECT_THROW(keep_round_trip(AngleEmbedding(), {}, {}, kPassages, 0), Error);
}

}  // namespace
}  // namespace attune
