#include "trainer/trained_part.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/tiny_lora.h"
#include "tests/support/training.h"
#include "trainer/pair_batches.h"
#include "trainer/sentence_transformers_finetune_engine.h"

namespace attune {
namespace {

struct Course {
  std::shared_ptr<EmbeddingModel> model;
  std::vector<double> losses;
};

Course train(const TrainConfig& config) {
  const auto model = load_tiny_bert();
  choose_trained(*model, config, 42);
  const PairBatches batches(*model, tiny_rows(), config, 42);
  const auto loss = make_loss(config.loss);
  Trainer trainer(*model, *loss, batches, config, 42);
  Recorder recorder;
  trainer.add(recorder);
  trainer.run();
  return {model, recorder.losses()};
}

// Names of the tensors whose bits training changed.
std::vector<std::string> changed(const EmbeddingModel& model) {
  std::vector<std::string> names;
  const auto before = load_tiny_bert()->parameters().stored_tensors();
  const auto after = model.parameters().stored_tensors();
  for (std::size_t i = 0; i < before.size(); ++i)
    if (!at::equal(before[i].tensor, after[i].tensor)) names.push_back(after[i].name);
  return names;
}

TEST(TrainedPart, TheLastLayerAloneChangesAndIsAllThatTheOptimizerHolds) {
  TrainConfig config = tiny_config();
  config.last_layers = 1;
  const Course course = train(config);
  const ParameterStore& parameters = course.model->parameters();
  std::int64_t expected = 0;
  for (const NamedTensor& tensor : parameters.stored_tensors())
    if (tensor.name.starts_with("encoder.layer.1.")) expected += tensor.tensor.numel();
  EXPECT_EQ(parameters.count(), expected);
  EXPECT_EQ(parameters.gradients().numel(), expected);
  EXPECT_FALSE(parameters.get("embeddings.word_embeddings.weight").grad().defined());
  const std::vector<std::string> names = changed(*course.model);
  EXPECT_EQ(names.size(), 16u);
  for (const std::string& name : names) EXPECT_TRUE(name.starts_with("encoder.layer.1.")) << name;
}

TEST(TrainedPart, FrozenEmbeddingsKeepTheirBits) {
  TrainConfig config = tiny_config();
  config.freeze_embeddings = true;
  for (const std::string& name : changed(*train(config).model))
    EXPECT_TRUE(name.starts_with("encoder.")) << name;
}

TEST(TrainedPart, ARateIsAFactorOnTheStepAndTheFirstThatMatchesHolds) {
  TrainConfig config = tiny_config();
  config.max_steps = 1;
  config.warmup_ratio = 0;
  config.weight_decay = 0;
  config.max_grad_norm = 0;
  config.rates = {"*query.weight=0.25", "encoder.layer.?.attention.self.*.weight=3",
                  "embeddings.*=0"};
  const auto after = train(config).model;
  const auto before = load_tiny_bert();
  const auto step = [&](const std::string& name) {
    for (const NamedTensor& tensor : after->parameters().stored_tensors())
      if (tensor.name == name)
        for (const NamedTensor& old : before->parameters().stored_tensors())
          if (old.name == name) return (tensor.tensor - old.tensor).abs().max().item<double>();
    return -1.0;
  };
  // AdamW's first step is the rate in every element whose gradient is not tiny.
  const std::string layer = "encoder.layer.0.attention.";
  EXPECT_NEAR(step(layer + "self.query.weight"), 0.25e-3, 1e-6);
  EXPECT_NEAR(step(layer + "self.key.weight"), 3e-3, 1e-5);
  EXPECT_NEAR(step(layer + "output.dense.weight"), 1e-3, 1e-6);
  EXPECT_EQ(step("embeddings.word_embeddings.weight"), 0);
}

TEST(TrainedPart, ArenasHoldTheModelsNumbersWhateverTheirOrder) {
  const auto plain = load_tiny_bert(), arranged = load_tiny_bert();
  TrainConfig config = tiny_config();
  config.rates = {"*LayerNorm*=2", "encoder.layer.0.*=0", "*key*=0.5"};
  choose_trained(*arranged, config, 42);
  EXPECT_EQ(arranged->fingerprint(), plain->fingerprint());
  EXPECT_TRUE(at::equal(embed_golden(*arranged), embed_golden(*plain)));
  const ParameterStore& parameters = arranged->parameters();
  std::int64_t end = 0;
  for (const ParameterGroup& group : parameters.groups()) {
    EXPECT_EQ(group.begin, end);
    EXPECT_EQ(group.decay, group.end <= parameters.decayed_count());
    end = group.end;
  }
  EXPECT_EQ(end, parameters.count());
  EXPECT_EQ(parameters.count() + parameters.frozen_count(), plain->parameters().count());
}

TEST(TrainedPart, OnlyLorasMatricesAreTrained) {
  TrainConfig config = tiny_config();
  config.lora.rank = 4;
  const Course course = train(config);
  EXPECT_TRUE(changed(*course.model).empty());
  EXPECT_EQ(course.model->parameters().count(), 2 * 2 * 2 * 4 * 32);
  for (const LoraModule& module : course.model->lora().modules)
    EXPECT_GT(module.b.abs().max().item<double>(), 0) << module.name;
  EXPECT_NE(course.model->fingerprint(), load_tiny_bert()->fingerprint());
  config.last_layers = 1;
  EXPECT_EQ(train(config).model->parameters().count(), 2 * 2 * 4 * 32);
}

TEST(TrainedPart, ChunksChangeNothingWithDropoutOfLora) {
  const TemporaryFolder folder;
  const auto model = load_tiny_bert();
  model->add_lora(random_lora(*model, "all-linear"), 0, "here");
  write_tiny_lora(*model, folder / "start");
  TrainConfig config = tiny_config();
  config.max_steps = 3;
  config.lora.start = folder / "start";
  const double without = train(config).losses[0];
  config.lora.dropout = 0.3;
  const Course plain = train(config);
  EXPECT_GT(std::abs(plain.losses[0] - without), 1e-3);
  for (const int tokens : {1, 40}) {
    config.chunk_tokens = tokens;
    const Course chunked = train(config);
    EXPECT_NEAR(chunked.losses[0], plain.losses[0], 1e-6);
    EXPECT_NEAR(chunked.losses[2], plain.losses[2], 1e-4);
  }
}

FinetuneOptions options_in(const TemporaryFolder& folder, const TrainConfig& config) {
  FinetuneOptions options;
  options.model.base = kTinyBert;
  options.train = config;
  options.train.dropout = "model";
  options.device = "cpu";
  options.output = folder / "whole";
  options.show_progress = false;
  return options;
}

std::string weights_of(const FinetuneOptions& options) {
  const std::string file = options.train.lora.save == "peft" ? "adapter_model" : "model";
  return sha256_file(options.output + "/artifact/" + file + ".safetensors");
}

void expect_resume_is_exact(const TrainConfig& config) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder, config);
  options.train.evaluate_steps = 2;
  using Engine = SentenceTransformersFinetuneEngine;
  Engine(tiny_dataset(), tiny_dataset(), options).finetune();
  for (const int stop_after : {1, 4}) {
    FinetuneOptions cut = options;
    cut.output = folder / ("cut" + std::to_string(stop_after));
    cut.resume = true;
    int steps = 0;
    Engine(tiny_dataset(), tiny_dataset(), cut).finetune([&] { return steps++ == stop_after; });
    EXPECT_TRUE(Engine(tiny_dataset(), tiny_dataset(), cut).finetune().finished);
    EXPECT_EQ(weights_of(cut), weights_of(options)) << stop_after;
  }
  const Json lineage = read_json_file(options.output + "/artifact/attune.json");
  EXPECT_EQ(lineage["fingerprint"],
            EmbeddingModel::load(options.output + "/artifact", at::kCPU)->fingerprint());
}

TEST(TrainedPart, ResumeIsExactWithFrozenLayers) {
  TrainConfig config = tiny_config();
  config.last_layers = 1;
  config.rates = {"*LayerNorm*=2"};
  expect_resume_is_exact(config);
}

TEST(TrainedPart, ResumeIsExactWithLora) {
  TrainConfig config = tiny_config();
  config.lora.rank = 4;
  config.lora.dropout = 0.1;
  config.lora.targets = {"all-linear"};
  expect_resume_is_exact(config);
  config.lora.save = "peft";
  expect_resume_is_exact(config);
}

TEST(TrainedPart, APeftDirectoryIsNoBaseOfAnother) {
  const TemporaryFolder folder;
  TrainConfig config = tiny_config();
  config.lora.rank = 4;
  config.lora.save = "peft";
  FinetuneOptions options = options_in(folder, config);
  SentenceTransformersFinetuneEngine(tiny_dataset(), std::nullopt, options).finetune();
  options.model.base = options.output + "/artifact";
  options.output = folder / "second";
  SentenceTransformersFinetuneEngine engine(tiny_dataset(), std::nullopt, options);
  EXPECT_THROW(engine.finetune(), Error);
  options.train.lora.save = "merged";
  SentenceTransformersFinetuneEngine merged(tiny_dataset(), std::nullopt, options);
  EXPECT_TRUE(merged.finetune().finished);
}

TEST(TrainedPart, WhatDoesNotFitTheModelIsRefused) {
  const auto refusal = [](const TrainConfig& config) -> std::string {
    try {
      choose_trained(*load_tiny_bert(), config, 42);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const auto expect = [&](const TrainConfig& config, const std::string& expected) {
    EXPECT_NE(refusal(config).find(expected), std::string::npos)
        << "expected '" << expected << "' in: " << refusal(config);
  };
  TrainConfig config = tiny_config();
  config.last_layers = 3;
  expect(config, "train.last_layers 3: the encoder has 2 layers");
  config = tiny_config();
  config.rates = {"encoder.layer.0.atention.self.query.weight=2"};
  expect(config, "nearest names are encoder.layer.0.attention.self.query.weight");
  config.rates = {"embeddings.*=2"};
  config.freeze_embeddings = true;
  expect(config, "which is not trained");
  config = tiny_config();
  config.rates = {"*=0"};
  expect(config, "nothing is left to train");
  config.rates = {"*query*=0"};
  expect(config, "freeze all of them or none");
  config = tiny_config();
  config.lora.start = "no/such/directory";
  expect(config, "is no PEFT directory");
  config.lora.start.clear();
  config.lora.rank = 64;
  expect(config, "is more than the width");
}

TEST(TrainedPart, RatesAreReadAsPatternAndFactor) {
  TrainConfig config;
  config.rates = {"a=b=0.5", "=1", "x", "x=", "x=-1", "x=nan", "y=2e-1"};
  const std::vector<RateRule> rules = config.rate_rules();
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules[0].pattern, "a=b");
  EXPECT_EQ(rules[0].factor, 0.5);
  EXPECT_EQ(rules[1].factor, 0.2);
}

}  // namespace
}  // namespace attune
