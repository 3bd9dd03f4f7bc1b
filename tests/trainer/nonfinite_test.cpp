// train.on_nonfinite: raise, skip and roll back, with losses and gradients that are not finite in
// chosen steps.
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "tests/support/finetuning.h"

namespace attune {
namespace {

constexpr int kSteps = 15;

FinetuneOptions options_in(const TemporaryFolder& folder, const std::string& policy) {
  FinetuneOptions options = tiny_options(folder / policy, kSteps);
  options.train.on_nonfinite = policy;
  options.train.checkpoint_steps = 4;
  return options;
}

// The weights of a run that leaves these steps (0-based) out.
at::Tensor weights_without(const std::set<std::int64_t>& steps) {
  const TemporaryFolder folder;
  const FinetuneOptions options = options_in(folder, "raise");
  const auto model = load_tiny_bert();
  const EmbeddingQAFinetuneDataset dataset = tiny_dataset();
  const PairBatches batches(*model, make_training_rows(dataset, false), options.train,
                            options.seed);
  const auto loss = make_loss(options.train.loss);
  Trainer trainer(*model, *loss, batches, options.train, options.seed);
  for (const std::int64_t step : steps) trainer.skip(step);
  trainer.run();
  return model->parameters().values();
}

std::string refusal(FinetuneEngine& engine) {
  try {
    engine.finetune();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kDiverged);
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

TEST(Nonfinite, RaiseEndsTheRunInItsStep) {
  for (const Fault fault : {Fault::kLoss, Fault::kGradient}) {
    const TemporaryFolder folder;
    FaultyEngine engine(tiny_dataset(), std::nullopt, options_in(folder, "raise"), {{6, fault}});
    const std::string said = refusal(engine);
    EXPECT_NE(said.find("step 7:"), std::string::npos) << said;
    EXPECT_EQ(told_by(folder / "raise", "step").size(), 6u);
    const auto ended = told_by(folder / "raise", "nonfinite");
    ASSERT_EQ(ended.size(), 1u);
    EXPECT_EQ(ended[0]["step"], 7);
    EXPECT_EQ(ended[0]["action"], "raise");
    EXPECT_EQ(ended[0]["queries"].size(), 4u);
  }
}

TEST(Nonfinite, SkipLeavesTheStepOutAndSaysSo) {
  const TemporaryFolder folder;
  FaultyEngine engine(tiny_dataset(), tiny_dataset(), options_in(folder, "skip"),
                      {{3, Fault::kLoss}, {8, Fault::kGradient}});
  const FinetuneResult result = engine.finetune();
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.skipped_steps, 2);
  EXPECT_EQ(result.pairs, 4 * (kSteps - 2));
  const auto said = told_by(folder / "skip", "nonfinite");
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0]["step"], 4);
  EXPECT_EQ(said[0]["loss"], "nan");
  EXPECT_EQ(said[0]["action"], "skip");
  EXPECT_EQ(said[0]["next_step"], 5);
  EXPECT_EQ(said[0]["queries"].size(), 4u);
  EXPECT_TRUE(said[0]["queries"][0].get<std::string>().starts_with("q"));
  EXPECT_EQ(said[1]["step"], 9);
  EXPECT_NE(said[1]["loss"], "nan");
  EXPECT_EQ(told_by(folder / "skip", "skipped").size(), 2u);
  EXPECT_EQ(told_by(folder / "skip", "step").size(), static_cast<std::size_t>(kSteps - 2));
  // Step 9 ends an epoch: it is evaluated although it was skipped.
  EXPECT_EQ(told_by(folder / "skip", "evaluate").size(), 5u);
}

TEST(Nonfinite, SkippingEqualsNeverHavingSeenTheBatch) {
  const TemporaryFolder folder;
  FaultyEngine engine(tiny_dataset(), std::nullopt, options_in(folder, "skip"),
                      {{0, Fault::kLoss}, {8, Fault::kGradient}});
  engine.finetune();
  EXPECT_TRUE(at::equal(engine.values, weights_without({0, 8})));
}

TEST(Nonfinite, TenInARowAreSkippedElevenAreNot) {
  Faults ten;
  for (int step = 2; step < 12; ++step) ten[step] = Fault::kLoss;
  const TemporaryFolder folder;
  FaultyEngine patient(tiny_dataset(), std::nullopt, options_in(folder, "skip"), ten);
  EXPECT_EQ(patient.finetune().skipped_steps, 10);
  ten[12] = Fault::kLoss;
  FaultyEngine done(tiny_dataset(), std::nullopt, options_in(folder, "skip"), ten);
  const std::string said = refusal(done);
  EXPECT_NE(said.find("step 13:"), std::string::npos) << said;
  EXPECT_NE(said.find("the 10 before it"), std::string::npos) << said;
}

TEST(Nonfinite, RollbackRetakesTheStepsAndPassesTheBadOne) {
  const TemporaryFolder folder;
  FaultyEngine engine(tiny_dataset(), std::nullopt, options_in(folder, "rollback"),
                      {{2, Fault::kLoss}, {10, Fault::kGradient}});
  const FinetuneResult result = engine.finetune();
  EXPECT_EQ(result.rollbacks, 2);
  EXPECT_EQ(result.skipped_steps, 2);
  EXPECT_EQ(result.pairs, 4 * (kSteps - 2));
  EXPECT_TRUE(at::equal(engine.values, weights_without({2, 10})));
  const auto said = told_by(folder / "rollback", "nonfinite");
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0]["next_step"], 1) << "the start";
  EXPECT_EQ(said[1]["next_step"], 9) << "the checkpoint after step 8";
  EXPECT_EQ(said[1]["action"], "rollback");
  std::vector<int> steps;
  for (const Json& event : told_by(folder / "rollback"))
    if (event["event"] == "step" || event["event"] == "skipped") steps.push_back(event["step"]);
  ASSERT_EQ(steps.size(), static_cast<std::size_t>(kSteps));
  for (int i = 0; i < kSteps; ++i) EXPECT_EQ(steps[i], i + 1);
}

TEST(Nonfinite, ASecondOneSinceTheCheckpointLeavesEverythingSinceItOut) {
  const TemporaryFolder folder;
  FaultyEngine engine(tiny_dataset(), std::nullopt, options_in(folder, "rollback"),
                      {{9, Fault::kLoss}, {10, Fault::kLoss}});
  const FinetuneResult result = engine.finetune();
  EXPECT_EQ(result.rollbacks, 2);
  EXPECT_EQ(result.skipped_steps, 3);
  EXPECT_TRUE(at::equal(engine.values, weights_without({8, 9, 10})));
}

TEST(Nonfinite, RollingBackEndsAtTheFourthTime) {
  const TemporaryFolder folder;
  FaultyEngine engine(
      tiny_dataset(), std::nullopt, options_in(folder, "rollback"),
      {{1, Fault::kLoss}, {5, Fault::kLoss}, {9, Fault::kLoss}, {13, Fault::kLoss}});
  const std::string said = refusal(engine);
  EXPECT_NE(said.find("step 14:"), std::string::npos) << said;
  EXPECT_NE(said.find("rolled back 3 times"), std::string::npos) << said;
}

TEST(Nonfinite, WithoutAGoodCheckpointARollbackIsRefused) {
  const TemporaryFolder folder;
  const FinetuneOptions options = options_in(folder, "rollback");
  class Vandal : public Callback {
   public:
    void on_save(const SaveReport& report) override { std::filesystem::remove_all(report.path); }
  } vandal;
  FaultyEngine engine(tiny_dataset(), std::nullopt, options, {{6, Fault::kLoss}});
  engine.add(vandal);
  EXPECT_NE(refusal(engine).find("no good checkpoint"), std::string::npos);
}

}  // namespace
}  // namespace attune
