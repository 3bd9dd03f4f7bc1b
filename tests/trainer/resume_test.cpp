// A run that is stopped and resumed at any step has the bits of one that was never stopped, in
// every recipe; what is kept on disk, and what damage costs.
#include <algorithm>
#include <ostream>

#include <gtest/gtest.h>

#include "tests/support/finetuning.h"
#include "trainer/checkpoint.h"

namespace attune {
namespace {

namespace fs = std::filesystem;
constexpr int kSteps = 50;

struct Recipe {
  const char* name;
  std::function<void(FinetuneOptions&)> set;
  Faults faults = {};
};
void PrintTo(const Recipe& recipe, std::ostream* out) { *out << recipe.name; }

void adapter(FinetuneOptions& options, const char* loss) {
  options.train.mode = "adapter";
  options.train.loss.type = loss;
  options.train.learning_rate = 1e-2;
  options.train.weight_decay = 0.1;
}

// A new recipe is one line here.
const Recipe kRecipes[] = {
    {"Full", [](FinetuneOptions&) {}},
    {"Chunks", [](FinetuneOptions& o) { o.train.chunk_tokens = 40; }},
    {"DefaultSampler", [](FinetuneOptions& o) { o.train.sampler = "default"; }},
    {"AdapterCorpus", [](FinetuneOptions& o) { adapter(o, "corpus"); }},
    {"AdapterInBatch", [](FinetuneOptions& o) { adapter(o, "mnrl"); }},
    {"LastLayer", [](FinetuneOptions& o) { o.train.last_layers = 1; }},
    {"Lora",
     [](FinetuneOptions& o) {
       o.train.lora.rank = 2;
       o.train.lora.dropout = 0.1;
       o.train.lora.targets = {"all-linear"};
     }},
    {"Recompute", [](FinetuneOptions& o) { o.train.recompute = true; }},
    {"InfoNce",
     [](FinetuneOptions& o) {
       o.train.loss.type = "infonce";
       o.train.loss.mask = {"document", "margin"};
     }},
    {"Patience", [](FinetuneOptions& o) { o.train.patience = 6; }},
    {"Skip",
     [](FinetuneOptions& o) { o.train.on_nonfinite = "skip"; },
     {{4, Fault::kLoss}, {5, Fault::kGradient}, {20, Fault::kLoss}}},
    {"Rollback",
     [](FinetuneOptions& o) {
       o.train.on_nonfinite = "rollback";
       o.train.checkpoint_steps = 10;
     },
     {{8, Fault::kLoss}, {33, Fault::kGradient}, {34, Fault::kLoss}}},
};

struct Result {
  bool finished;
  std::string weights;  // SHA-256 of the trained weights
};

Result train(const Recipe& recipe, const FinetuneOptions& options, const StopRequested& stop = {}) {
  if (recipe.faults.empty()) {
    const auto engine = make_finetune_engine(tiny_dataset(), tiny_dataset(), options);
    const bool finished = engine->finetune(stop).finished;
    return {finished, finished ? sha256_file(engine->artifact_path() + "/model.safetensors") : ""};
  }
  FaultyEngine engine(tiny_dataset(), tiny_dataset(), options, recipe.faults);
  const bool finished = engine.finetune(stop).finished;
  const std::string_view bytes(static_cast<const char*>(engine.values.data_ptr()),
                               engine.values.nbytes());
  return {finished, sha256(bytes)};
}

class Resume : public ::testing::TestWithParam<Recipe> {};

TEST_P(Resume, AtEachOfFiftyStepsGivesTheSameBits) {
  const Recipe& recipe = GetParam();
  const TemporaryFolder folder;
  FinetuneOptions options = tiny_options(folder / "whole", kSteps);
  options.train.evaluate_steps = 4;
  recipe.set(options);
  const Result whole = train(recipe, options);
  ASSERT_TRUE(whole.finished);
  const std::vector<Json> told = told_by(options.output);

  // One run that is stopped after each step; from each stop a copy of it goes to the end.
  FinetuneOptions stopping = options, rest = options;
  stopping.output = folder / "stopping";
  rest.output = folder / "rest";
  stopping.resume = rest.resume = true;
  int stops = 0;
  for (bool finished = false; !finished; ++stops) {
    ASSERT_LT(stops, 2 * kSteps);
    int asked = 0;
    const Result stopped = train(recipe, stopping, [&] { return asked++ == 1; });
    finished = stopped.finished;
    if (finished) {
      EXPECT_EQ(stopped.weights, whole.weights);
      EXPECT_EQ(told_by(stopping.output), told);
      continue;
    }
    fs::remove_all(rest.output);
    fs::copy(stopping.output, rest.output, fs::copy_options::recursive);
    const Result resumed = train(recipe, rest);
    ASSERT_TRUE(resumed.finished);
    ASSERT_EQ(resumed.weights, whole.weights) << "after stop " << stops;
    ASSERT_EQ(told_by(rest.output), told) << "after stop " << stops;
  }
  if (options.train.patience == 0) {
    EXPECT_GE(stops, kSteps - 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Recipes, Resume, ::testing::ValuesIn(kRecipes),
                         [](const auto& test) { return std::string(test.param.name); });

std::vector<std::string> checkpoints_in(const std::string& output) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(output + "/checkpoints"))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Retention, TheNewestStay) {
  using Names = std::vector<std::string>;
  const TemporaryFolder folder;
  for (const auto& [keep, expected] :
       {std::pair{1, Names{"step-00000008"}}, std::pair{2, Names{"step-00000006", "step-00000008"}},
        std::pair{100,
                  Names{"step-00000002", "step-00000004", "step-00000006", "step-00000008"}}}) {
    FinetuneOptions options = tiny_options(folder / std::to_string(keep), 9);
    options.train.checkpoint_steps = 2;
    options.train.keep_checkpoints = keep;
    make_finetune_engine(tiny_dataset(), std::nullopt, options)->finetune();
    EXPECT_EQ(checkpoints_in(options.output), expected);
  }
}

TEST(Retention, OneCheckpointHoldsTheBestWeights) {
  const TemporaryFolder folder;
  FinetuneOptions options = tiny_options(folder / "run", 9);
  options.train.learning_rate = 0.5;  // destroys the model, so that the best one is an early one
  options.train.evaluate_steps = 1;
  options.train.checkpoint_steps = 1;
  options.train.keep_checkpoints = 1;
  const auto engine = make_finetune_engine(tiny_dataset(), tiny_dataset(), options);
  const FinetuneResult whole = engine->finetune();
  ASSERT_LT(whole.best_step, 8);
  const std::string weights = sha256_file(engine->artifact_path() + "/model.safetensors");
  ASSERT_EQ(checkpoints_in(options.output).size(), 1u);
  options.resume = true;
  const auto again = make_finetune_engine(tiny_dataset(), tiny_dataset(), options);
  EXPECT_EQ(again->finetune().best_step, whole.best_step);
  EXPECT_EQ(sha256_file(again->artifact_path() + "/model.safetensors"), weights);
}

TEST(Retention, WhatARollbackNeedsStays) {
  const TemporaryFolder folder;
  FinetuneOptions options = tiny_options(folder / "run", 9);
  options.train.on_nonfinite = "rollback";
  options.train.checkpoint_steps = 4;
  options.train.keep_checkpoints = 1;
  options.resume = true;
  int asked = 0;
  const auto stop = [&] { return asked++ == 6; };
  EXPECT_FALSE(
      make_finetune_engine(tiny_dataset(), std::nullopt, options)->finetune(stop).finished);
  EXPECT_EQ(checkpoints_in(options.output),
            (std::vector<std::string>{"step-00000004", "step-00000006"}));
}

TEST(Retention, WithoutAWholeCheckpointTheRunStartsAnew) {
  const TemporaryFolder folder;
  FinetuneOptions options = tiny_options(folder / "run", 6);
  options.train.checkpoint_steps = 2;
  options.train.keep_checkpoints = 1;
  const auto whole = make_finetune_engine(tiny_dataset(), std::nullopt, options);
  whole->finetune();
  const std::string weights = sha256_file(whole->artifact_path() + "/model.safetensors");
  fs::remove(options.output + "/checkpoints/step-00000006/manifest.json");
  fs::create_directories(options.output + "/checkpoints/step-of-someone-else");
  options.resume = true;
  const auto again = make_finetune_engine(tiny_dataset(), std::nullopt, options);
  EXPECT_EQ(again->finetune().pairs, 24);
  EXPECT_EQ(sha256_file(again->artifact_path() + "/model.safetensors"), weights);
}

}  // namespace
}  // namespace attune
