// The logic around recorded steps, on the processor: there a recording is the work itself, called
// again on the memory that it has recorded (models/recording.h).
#include "trainer/step_graphs.h"

#include <algorithm>
#include <random>
#include <set>

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "tests/support/tiny_bert.h"
#include "trainer/losses/multiple_negatives_ranking.h"

namespace attune {
namespace {

constexpr int kRows = 4;

struct Example {
  PackedBatch tokens;
  TrainingBatch batch;
};

// Pairs of random ids and lengths: the queries, then the passages, in the order of `places`.
Example random_pairs(std::mt19937_64& random, int longest = 60) {
  Example example;
  for (int s = 0; s < 2 * kRows; ++s) {
    std::vector<std::int32_t> ids(3 + random() % longest);
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(1 + random() % 50);
    example.tokens.add(ids.data(), std::ssize(ids), s);
    example.batch.sequence_of.push_back(s);
  }
  example.tokens.num_queries = kRows;
  example.batch.rows = kRows;
  example.batch.columns = 2;
  std::shuffle(example.batch.sequence_of.begin() + kRows, example.batch.sequence_of.end(), random);
  return example;
}

class StepGraphsTest : public testing::Test {
 protected:
  StepGraphsTest() : model_(load_tiny_bert()) { model_->parameters().enable_training(); }

  StepGraphs::Work work(const ForwardOptions& given = {}) {
    return [this, given](const PackedTokens& tokens, const TrainingBatch& batch,
                         const std::uint64_t* step_key) {
      ForwardOptions options = given;
      options.stored_step_key = step_key;
      const at::Tensor vectors = model_->embed(tokens, options);
      const LossOutput loss = loss_.evaluate(vectors.detach(), batch);
      vectors.backward(loss.gradient);
      return loss.value;
    };
  }
  // Loss and gradient, which is zero afterwards.
  std::pair<double, at::Tensor> outcome(const at::Tensor& loss) {
    const std::pair result{loss.item<double>(), model_->parameters().gradients().clone()};
    model_->parameters().zero_gradients();
    return result;
  }

  std::shared_ptr<EmbeddingModel> model_;
  MultipleNegativesRankingLoss loss_;
};

TEST_F(StepGraphsTest, ReplayingGivesLossAndGradientOfEveryBatchItself) {
  std::mt19937_64 random(3);
  StepGraphs graphs(at::kCPU, work());
  for (int round = 0; round < 60; ++round) {
    const Example example = random_pairs(random);
    const auto [expected_loss, expected] =
        outcome(work()(to_device(example.tokens, at::kCPU), example.batch, nullptr));
    const auto [loss, gradient] = outcome(graphs.run(example.tokens, example.batch, 0));
    ASSERT_NEAR(loss, expected_loss, 1e-5) << round;
    ASSERT_LT((gradient - expected).abs().max().item<double>(),
              1e-5 * std::max(1.0, expected.abs().max().item<double>()))
        << round;
  }
  const BatchGraphs::Counts& counts = graphs.counts();
  EXPECT_EQ(counts.batches, 60);
  EXPECT_GT(counts.replayed, 30);
  EXPECT_LT(counts.recorded, 20);
  EXPECT_GT(counts.padding, 0);
}

TEST_F(StepGraphsTest, ReplayedStepsDrawTheMasksOfTheirOwnStep) {
  std::mt19937_64 random(7);
  ForwardOptions options;
  options.training = true;
  options.dropout = 0.2;
  options.seed = 9;
  StepGraphs graphs(at::kCPU, work(options));
  const Example example = random_pairs(random);
  std::set<double> losses;
  for (options.step = 0; options.step < 6; ++options.step) {
    const auto [expected_loss, expected] =
        outcome(work(options)(to_device(example.tokens, at::kCPU), example.batch, nullptr));
    const auto [loss, gradient] = outcome(
        graphs.run(example.tokens, example.batch, dropout_step_key(options.seed, options.step)));
    EXPECT_NEAR(loss, expected_loss, 1e-5) << options.step;
    EXPECT_LT((gradient - expected).abs().max().item<double>(), 1e-4) << options.step;
    losses.insert(loss);
  }
  EXPECT_EQ(graphs.counts().replayed, 5);
  EXPECT_EQ(losses.size(), 6u) << "each step has its own masks";
}

TEST_F(StepGraphsTest, TheFirstBatchOfAShapeIsNotRecorded) {
  std::mt19937_64 random(4);
  const Example example = random_pairs(random);
  StepGraphs graphs(at::kCPU, work());
  for (int round = 0; round < 3; ++round) graphs.run(example.tokens, example.batch, 0);
  EXPECT_EQ(graphs.counts().recorded, 1);
  EXPECT_EQ(graphs.counts().replayed, 2);
}

TEST_F(StepGraphsTest, ForgetsTheShapeLeastLatelySeen) {
  std::mt19937_64 random(5);
  const Example small = random_pairs(random, 5), middle = random_pairs(random, 20),
                large = random_pairs(random, 58);
  ASSERT_NE(bucket_of(small.tokens), bucket_of(middle.tokens));
  ASSERT_NE(bucket_of(middle.tokens), bucket_of(large.tokens));
  StepGraphs graphs(at::kCPU, work(), /*most_graphs=*/2);
  const auto run = [&](const Example& example) { graphs.run(example.tokens, example.batch, 0); };
  run(small), run(small), run(middle), run(middle);  // both recorded
  run(small), run(large), run(large);                // middle is forgotten
  EXPECT_EQ(graphs.counts().recorded, 3);
  run(small);
  EXPECT_EQ(graphs.counts().replayed, 5);
  run(middle);
  EXPECT_EQ(graphs.counts().replayed, 5) << "it was forgotten, so this is its first time";
}

TEST_F(StepGraphsTest, BatchesOfOtherShapesForTheLossAreOthers) {
  std::mt19937_64 random(6);
  Example pairs = random_pairs(random), with_negatives = pairs;
  with_negatives.batch.rows = 2;
  with_negatives.batch.columns = 4;
  with_negatives.tokens.num_queries = 2;
  StepGraphs graphs(at::kCPU, work());
  for (int round = 0; round < 3; ++round)
    for (const Example* example : {&pairs, &with_negatives}) {
      const double expected =
          outcome(work()(to_device(example->tokens, at::kCPU), example->batch, nullptr)).first;
      EXPECT_NEAR(outcome(graphs.run(example->tokens, example->batch, 0)).first, expected, 1e-5);
    }
  EXPECT_EQ(graphs.counts().recorded, 2);
}

}  // namespace
}  // namespace attune
