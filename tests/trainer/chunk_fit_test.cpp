// Memory: layers that are computed again, and batches cut to what fits. Both change no number.
#include "trainer/chunk_fit.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "models/peak_memory.h"
#include "models/recompute.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/training.h"
#include "trainer/pair_batches.h"
#include "trainer/trainer.h"

namespace attune {
namespace {

TrainConfig settings() {
  TrainConfig config = tiny_config();
  config.dropout = "0.2";
  return config;
}

struct Course {
  std::vector<double> losses;
  at::Tensor values;
  ChunkLimits limits;
};

using Available = std::int64_t (*)(const at::Device&);

Course train(const TrainConfig& config, Available available = nullptr) {
  const auto model = load_tiny_bert();
  const PairBatches batches(*model, tiny_rows(), config, 42);
  const auto loss = make_loss(config.loss);
  Trainer trainer(*model, *loss, batches, config, 42);
  if (available) trainer.chunk_fit() = ChunkFit(config.chunk_tokens, available);
  Recorder recorder;
  trainer.add(recorder);
  trainer.run();
  return {recorder.losses(), model->parameters().values(), trainer.chunk_fit().limits()};
}

TEST(Recompute, GivesTheSameBits) {
  for (const char* precision : {"fp32", "bf16"})
    for (int chunk_tokens : {0, 30}) {
      TrainConfig config = settings();
      config.precision = precision;
      config.chunk_tokens = chunk_tokens;
      const Course plain = train(config);
      config.recompute = true;
      const Course again = train(config);
      EXPECT_EQ(plain.losses, again.losses) << precision << " " << chunk_tokens;
      EXPECT_TRUE(at::equal(plain.values, again.values)) << precision << " " << chunk_tokens;
    }
}

std::int64_t peak_of_step(bool recompute, std::int64_t repeats) {
  const auto model = load_tiny_bert();
  model->parameters().enable_training();
  PackedBatch batch;
  const std::vector<std::int32_t> ids(40, 5);
  for (std::int64_t i = 0; i < repeats; ++i) batch.add(ids.data(), 40, i);
  ForwardOptions options;
  options.training = true;
  options.recompute_layers = recompute;
  const PeakMemory peak;
  const at::Tensor vectors = model->embed(to_device(batch, at::kCPU), options);
  vectors.backward(at::ones_like(vectors));
  return peak.bytes();
}

TEST(Recompute, TakesLessMemory) {
  EXPECT_LT(static_cast<double>(peak_of_step(true, 32)),
            0.8 * static_cast<double>(peak_of_step(false, 32)));
}

TEST(Recompute, ReachesAParameterAboveInputsWithoutGradients) {
  const at::Tensor weight = at::ones({3}).requires_grad_(true), x = at::ones({2, 3});
  ForwardOptions options;
  options.recompute_layers = true;
  int calls = 0;
  const auto layer = [&](const Stream& stream) {
    ++calls;
    const at::Tensor y = stream.residual * weight;
    return Stream{y, y};
  };
  const Stream first = run_layer({x, x}, options, layer);
  (first.residual + first.input).sum().backward();
  EXPECT_EQ(calls, 1) << "the first trained layer above frozen ones keeps what it needs";
  EXPECT_TRUE(at::equal(weight.grad(), at::ones({3}) * 4));

  const at::Tensor trained = at::ones({2, 3}).requires_grad_(true);
  const Stream second = run_layer({trained, trained}, options, layer);
  (second.residual + second.input).sum().backward();
  EXPECT_EQ(calls, 3) << "computed again";
  EXPECT_TRUE(at::equal(weight.grad(), at::ones({3}) * 8));

  const at::NoGradGuard no_graph;
  run_layer({trained, trained}, options, layer);
  EXPECT_EQ(calls, 4) << "without a graph nothing is kept and nothing computed again";
}

TEST(PeakMemory, CountsWhatIsHeldAtOneTime) {
  const PeakMemory peak;
  for (int i = 0; i < 3; ++i) at::ones({1000});
  EXPECT_GE(peak.bytes(), 4000);
  EXPECT_LT(peak.bytes(), 8000);
  const at::Tensor a = at::ones({1000}), b = at::ones({1000});
  EXPECT_GE(peak.bytes(), 8000);
  EXPECT_LT(peak.bytes(), 12000);
}

struct Measured {
  ChunkMemory memory;
  bool weights_same, gradients_zero;
};

Measured measure(bool recompute) {
  const auto model = load_tiny_bert();
  TrainConfig config = settings();
  config.recompute = recompute;
  model->parameters().enable_training();
  const at::Tensor before = model->parameters().values().clone();
  const PairBatches batches(*model, tiny_rows(), config, 42);
  const auto embed = [&](const PackedTokens& chunk, const ForwardOptions& options) {
    return model->embed(chunk, options);
  };
  const ChunkMemory memory = measure_chunk_memory(
      batches.at(0), embed, training_options(config, 42, 0), model->parameters());
  return {memory, at::equal(before, model->parameters().values()),
          at::equal(model->parameters().gradients(), at::zeros_like(before))};
}

TEST(ChunkMemory, FromTwoSmallPartsTellsOfABigOne) {
  for (bool recompute : {false, true}) {
    const double predicted = measure(recompute).memory.of_tokens(128 * 40);
    const auto measured = static_cast<double>(peak_of_step(recompute, 128));
    EXPECT_GT(predicted, 0.8 * measured) << recompute;
    EXPECT_LT(predicted, 1.25 * measured) << recompute;
  }
}

TEST(ChunkMemory, MeasuringChangesNothing) {
  EXPECT_TRUE(measure(false).weights_same);
  EXPECT_TRUE(measure(false).gradients_zero);
}

TEST(ChunkFit, WhatFitsIsEmbeddedAtOnce) {
  const Course course = train(settings(), [](const at::Device&) { return std::int64_t{1} << 40; });
  EXPECT_GT(course.limits.whole, 1'000'000);
  EXPECT_TRUE(at::equal(course.values, train(settings()).values));
}

TEST(ChunkFit, WhatDoesNotFitIsCutAndTheLossStays) {
  const Course plain = train(settings());
  const Course cut = train(settings(), [](const at::Device&) -> std::int64_t { return 400'000; });
  EXPECT_LT(cut.limits.chunk, 80) << "tokens of a batch: about 100";
  ASSERT_EQ(cut.losses.size(), plain.losses.size());
  EXPECT_NEAR(cut.losses[0], plain.losses[0], 1e-6);
  for (std::size_t i = 0; i < plain.losses.size(); ++i)
    EXPECT_NEAR(cut.losses[i], plain.losses[i], 1e-4);
}

TEST(ChunkFit, AnAskedSizeThatDoesNotFitIsLowered) {
  TrainConfig config = settings();
  config.chunk_tokens = 80;
  const Course cut = train(config, [](const at::Device&) -> std::int64_t { return 400'000; });
  EXPECT_LT(cut.limits.whole, 80);
  const Course roomy = train(config, [](const at::Device&) { return std::int64_t{1} << 40; });
  EXPECT_EQ(roomy.limits.whole, 80);
}

TEST(ChunkFit, WhatNeverFitsIsRefused) {
  try {
    train(settings(), [](const at::Device&) -> std::int64_t { return 10'000; });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kResources);
    const std::string said = error.what();
    for (const char* part : {"needs at least", "train.batch_size", "train.recompute"})
      EXPECT_NE(said.find(part), std::string::npos) << said;
  }
}

}  // namespace
}  // namespace attune
