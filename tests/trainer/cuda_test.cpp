// The same numbers on a GPU. Skips itself, visibly, where there is none: `ctest -L cuda`.
#include <cmath>
#include <functional>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#ifdef ATTUNE_WITH_CUDA
#include <c10/cuda/CUDAFunctions.h>
#endif

#include "core/error.h"
#include "models/attention.h"
#include "models/device.h"
#include "models/dropout.h"
#include "models/encoder_embedding.h"
#include "tests/support/tiny_bert.h"
#include "trainer/pair_batches.h"
#include "trainer/trainer.h"

namespace attune {
namespace {

class Cuda : public testing::Test {
 protected:
  void SetUp() override {
    try {
      device_ = resolve_device("cuda");
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
  }
  at::Device device_ = at::kCPU;
};

PackedBatch two_sequences() {
  PackedBatch batch;
  const std::vector<std::int32_t> ids(40, 5);
  batch.add(ids.data(), 40, 11);
  batch.add(ids.data(), 23, 12);
  return batch;
}

TEST_F(Cuda, DropoutHasTheProcessorsBits) {
  const PackedTokens host = to_device(two_sequences(), at::kCPU),
                     gpu = to_device(two_sequences(), device_);
  const at::Tensor x = at::randn({63, 50});
  const Dropout mask = Dropout::make(0.3, 1, 2, 3, DropoutSite::kOutput);
  EXPECT_TRUE(at::equal(dropout(x.to(device_), gpu, mask).cpu(), dropout(x, host, mask)));
}

TEST_F(Cuda, AttentionEqualsTheProcessors) {
  const PackedTokens host = to_device(two_sequences(), at::kCPU),
                     gpu = to_device(two_sequences(), device_);
  const at::Tensor qkv = at::randn({63, 3 * 2 * 32}), weights = at::randn({63, 64});
  const auto both = [&](const at::Device& device, const PackedTokens& tokens, at::ScalarType type) {
    at::Tensor leaf = qkv.to(device).requires_grad_(true);
    const at::Tensor out = attention(leaf.to(type), tokens, {2, 32, 0}, {}, 0).to(at::kFloat);
    (out * weights.to(device)).sum().backward();
    return std::pair{out.detach().cpu(), leaf.grad().cpu()};
  };
  const auto expected = both(at::kCPU, host, at::kFloat);
  for (const auto& [type, tolerance] : {std::pair{at::kFloat, 1e-5}, {at::kBFloat16, 0.05}}) {
    const auto ours = both(device_, gpu, type);
    EXPECT_LT((ours.first - expected.first).abs().max().item<double>(), tolerance);
    EXPECT_LT((ours.second - expected.second).abs().max().item<double>(), 4 * tolerance);
  }
}

TEST_F(Cuda, EmbeddingsEqualSentenceTransformers) {
  EmbedOptions options;
  options.device = "cuda";
  for (const auto& [precision, tolerance] : {std::pair{"fp32", 1e-5}, {"bf16", 0.05}}) {
    options.precision = precision;
    const auto model = load_encoder_embedding(kTinyBert, options);
    for (int round = 0; round < 3; ++round)  // plain, recorded, replayed
      for (std::size_t i = 0; i < tiny_golden()["texts"].size(); ++i) {
        const std::vector<float> vector =
            model->get_text_embedding(tiny_golden()["texts"][i].get<std::string>());
        for (std::size_t j = 0; j < vector.size(); ++j)
          ASSERT_NEAR(vector[j], tiny_golden()["embeddings"][i][j].get<float>(), tolerance)
              << precision << ", round " << round;
      }
    EXPECT_GT(model->replayed(), 0);
  }
}

TEST_F(Cuda, TrainingEqualsSentenceTransformersStepByStep) {
  const Json& golden = tiny_golden()["training"];
  TrainConfig config;
  config.batch_size = 4;
  config.learning_rate = 1e-3;
  config.warmup_ratio = 0.2;
  config.sampler = "default";
  config.dropout = "0";
  for (int chunk_tokens : {0, 30}) {
    config.chunk_tokens = chunk_tokens;
    const auto model = EmbeddingModel::load(kTinyBert, device_);
    const PairBatches batches(*model, tiny_rows(), config, 42);
    const auto loss = make_loss(config.loss);
    Trainer trainer(*model, *loss, batches, config, 42);
    struct Check : Callback {
      void on_step(const StepReport& report) override {
        EXPECT_NEAR(report.loss, tiny_golden()["training"]["losses"][report.step - 1].get<double>(),
                    1e-4);
      }
    } check;
    trainer.add(check);
    trainer.run();
    EXPECT_EQ(trainer.next_step(), static_cast<std::int64_t>(golden["losses"].size()));
  }
}

// Losses of a run; `between` is called after the second step has begun.
std::vector<double> losses_of(const at::Device& device, const TrainConfig& config,
                              const std::function<void()>& between = {},
                              std::int64_t* replayed = nullptr) {
  const auto model = EmbeddingModel::load(kTinyBert, device);
  const PairBatches batches(*model, tiny_rows(), config, 42);
  const auto loss = make_loss(config.loss);
  Trainer trainer(*model, *loss, batches, config, 42);
  struct Listener : Callback {
    void on_step(const StepReport& report) override {
      losses.push_back(report.loss);
      if (report.step == 1 && between) between();
    }
    bool needs_weights(const StepReport&) const override { return false; }
    std::vector<double> losses;
    std::function<void()> between;
  } listener;
  listener.between = between;
  trainer.add(listener);
  trainer.run();
  if (replayed && trainer.graphs()) *replayed = trainer.graphs()->counts().replayed;
  return listener.losses;
}

TrainConfig many_steps() {
  TrainConfig config;
  config.batch_size = 4;
  config.epochs = 8;
  config.learning_rate = 1e-3;
  config.sampler = "default";
  config.dropout = "0";
  return config;
}

TEST_F(Cuda, ReplayedStepsHaveTheProcessorsLosses) {
  const TrainConfig config = many_steps();
  std::int64_t replayed = 0;
  const std::vector<double> expected = losses_of(at::kCPU, config),
                            ours = losses_of(device_, config, {}, &replayed);
  EXPECT_GT(replayed, 4);
  ASSERT_EQ(ours.size(), expected.size());
  for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], expected[i], 1e-4) << i;
}

TEST_F(Cuda, AStepDoesNotWaitForTheDevice) {
#ifdef ATTUNE_WITH_CUDA
  // From the second step on every call that waits throws.
  struct Guard {
    ~Guard() {
      c10::cuda::warning_state().set_sync_debug_mode(c10::cuda::SyncDebugMode::L_DISABLED);
    }
  } guard;
  for (const char* precision : {"fp32", "bf16"})
    for (const char* dropout : {"0", "0.1"}) {
      TrainConfig config = many_steps();
      config.precision = precision;
      config.dropout = dropout;
      std::int64_t replayed = 0;
      EXPECT_NO_THROW(losses_of(
          device_, config,
          [] { c10::cuda::warning_state().set_sync_debug_mode(c10::cuda::SyncDebugMode::L_ERROR); },
          &replayed))
          << precision << " " << dropout;
      EXPECT_GT(replayed, 4) << precision << " " << dropout;
      c10::cuda::warning_state().set_sync_debug_mode(c10::cuda::SyncDebugMode::L_DISABLED);
    }
#endif
}

TEST_F(Cuda, DeterministicRunsHaveEqualBits) {
  set_device_arithmetic(device_, /*tf32=*/true, /*deterministic=*/true);
  TrainConfig config = many_steps();
  config.precision = "bf16";
  config.dropout = "0.1";
  EXPECT_EQ(losses_of(device_, config), losses_of(device_, config));
  set_device_arithmetic(device_, /*tf32=*/false, /*deterministic=*/false);
}

TEST_F(Cuda, HiddenAndAttentionDropoutTrainFinite) {
  TrainConfig config;
  config.batch_size = 4;
  config.dropout = "0.3";
  for (const char* precision : {"fp32", "bf16"}) {
    config.precision = precision;
    const auto model = EmbeddingModel::load(kTinyBert, device_);
    const PairBatches batches(*model, tiny_rows(), config, 42);
    const auto loss = make_loss(config.loss);
    Trainer trainer(*model, *loss, batches, config, 42);
    EXPECT_NO_THROW(trainer.run()) << precision;
  }
}

}  // namespace
}  // namespace attune
