// Training through the CUDA kernels, on the processor: tests/cuda_emulation runs them there, and
// everything but attention and the products of matrices goes the way it goes on a GPU. `ctest -R
// emulated` runs the other tests of training that way too.
#include <cstdlib>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "kernels/cuda/table.h"
#include "kernels/cuda_kernels.h"
#include "models/device_kernels.h"
#include "tests/support/finetuning.h"
#include "tests/support/losses.h"
#include "tests/support/training.h"
#include "trainer/embedding_adapter_finetune_engine.h"
#include "trainer/losses/multiple_negatives_ranking.h"

namespace attune {
namespace {

// For the whole program, when asked to.
[[maybe_unused]] const bool kEverywhere = [] {
  const bool asked = std::getenv("ATTUNE_EMULATE_CUDA_KERNELS") != nullptr;
  if (asked) set_cuda_kernels(&emulated::kTable);
  return asked;
}();

class Emulated {
 public:
  Emulated() : before_(cuda_kernels()) { set_cuda_kernels(&emulated::kTable); }
  ~Emulated() { set_cuda_kernels(before_); }

 private:
  const CudaKernelTable* before_;
};

struct Outcome {
  std::vector<double> losses, norms;
  at::Tensor values;
  std::shared_ptr<EmbeddingModel> model;
  std::int64_t replayed = 0;
};

Outcome train(const TrainConfig& config) {
  Outcome run;
  run.model = load_tiny_bert();
  const PairBatches batches(*run.model, tiny_rows(), config, 42);
  const auto loss = make_loss(config.loss);
  Trainer trainer(*run.model, *loss, batches, config, 42);
  Recorder recorder;
  trainer.add(recorder);
  trainer.run();
  run.losses = recorder.losses();
  for (const StepReport& report : recorder.reports) run.norms.push_back(report.grad_norm);
  run.values = run.model->parameters().values().clone();
  if (trainer.graphs()) run.replayed = trainer.graphs()->counts().replayed;
  return run;
}

void expect_equal(const Outcome& ours, const Outcome& expected, double tolerance) {
  ASSERT_EQ(ours.losses.size(), expected.losses.size());
  for (std::size_t i = 0; i < ours.losses.size(); ++i) {
    EXPECT_NEAR(ours.losses[i], expected.losses[i], tolerance) << i;
    EXPECT_NEAR(ours.norms[i], expected.norms[i], 10 * tolerance * expected.norms[i]) << i;
  }
  // A weight whose gradient is noise moves by the learning rate either way.
  EXPECT_LT((ours.values - expected.values).abs().mean().item<double>(), tolerance);
}

TEST(DeviceStep, TrainingEqualsTheProcessors) {
  for (const char* dropout : {"0", "0.1"})
    for (const int chunk_tokens : {0, 30}) {
      TrainConfig config = tiny_config();
      config.dropout = dropout;
      config.chunk_tokens = chunk_tokens;
      const Outcome expected = train(config);
      const Emulated device;
      const Outcome ours = train(config);
      expect_equal(ours, expected, 2e-5);
      EXPECT_EQ(ours.replayed > 0, chunk_tokens == 0);
    }
}

TEST(DeviceStep, TrainingInBf16StaysByTheProcessorsAndItsWorkingCopyByTheWeights) {
  TrainConfig config = tiny_config();
  config.precision = "bf16";
  const Outcome expected = train(config);
  const Emulated device;
  const Outcome ours = train(config);
  expect_equal(ours, expected, 0.02);
  const ParameterStore& parameters = ours.model->parameters();
  ASSERT_TRUE(parameters.working_values().defined());
  EXPECT_TRUE(at::equal(parameters.working_values(), parameters.values().to(at::kBFloat16)));
}

TEST(DeviceStep, TwoRunsHaveEqualBits) {
  const Emulated device;
  TrainConfig config = tiny_config();
  config.dropout = "0.1";
  EXPECT_TRUE(at::equal(train(config).values, train(config).values));
}

TEST(DeviceStep, FrozenLayersStayAndTheOthersTrain) {
  TrainConfig config = tiny_config();
  const auto by = [&](bool device) {
    std::optional<Emulated> emulated;
    if (device) emulated.emplace();
    Outcome run;
    run.model = load_tiny_bert();
    run.model->parameters().select(
        [](const ParameterSpec& spec, const std::string&) { return spec.layer >= 1 ? 1.0 : 0.0; });
    const PairBatches batches(*run.model, tiny_rows(), config, 42);
    const auto loss = make_loss(config.loss);
    Trainer trainer(*run.model, *loss, batches, config, 42);
    Recorder recorder;
    trainer.add(recorder);
    trainer.run();
    run.losses = recorder.losses();
    for (const StepReport& report : recorder.reports) run.norms.push_back(report.grad_norm);
    run.values = run.model->parameters().values().clone();
    return run;
  };
  expect_equal(by(true), by(false), 2e-5);
}

// Which of loss and callback came when.
class Order : public Callback {
 public:
  explicit Order(std::vector<std::string>& told, bool needs) : told_(told), needs_(needs) {}
  void on_step(const StepReport& report) override {
    told_.push_back("told " + std::to_string(report.step));
  }
  bool needs_weights(const StepReport&) const override { return needs_; }

 private:
  std::vector<std::string>& told_;
  bool needs_;
};

class TellingLoss : public Loss {
 public:
  TellingLoss(std::unique_ptr<Loss> loss, std::vector<std::string>& told)
      : loss_(std::move(loss)), told_(told) {}
  void check(const RowSource&, int) const override {}
  LossOutput evaluate(const at::Tensor& vectors, const TrainingBatch& batch) const override {
    told_.push_back("began " + std::to_string(batch.step + 1));
    return loss_->evaluate(vectors, batch);
  }

 private:
  std::unique_ptr<Loss> loss_;
  std::vector<std::string>& told_;
};

TEST(DeviceStep, TheNextStepBeginsBeforeTheNumbersAreReadUnlessSomeoneNeedsTheWeights) {
  const Emulated device;
  for (const bool needs : {false, true}) {
    TrainConfig config = tiny_config();
    config.max_steps = 3;
    const auto model = load_tiny_bert();
    const PairBatches batches(*model, tiny_rows(), config, 42);
    std::vector<std::string> told;
    const TellingLoss loss(make_loss(config.loss), told);
    Trainer trainer(*model, loss, batches, config, 42);
    told.clear();
    Order order(told, needs);
    trainer.add(order);
    trainer.run();
    // What measures memory before the first step is no step.
    const std::vector<std::string> expected =
        needs ? std::vector<std::string>{"began 1", "told 1",  "began 2",
                                         "told 2",  "began 3", "told 3"}
              : std::vector<std::string>{"began 1", "began 2", "told 1",
                                         "began 3", "told 2",  "told 3"};
    EXPECT_EQ(told, expected);
  }
}

TEST(DeviceStep, TheSymmetricLossInTwoPassesIsTheComposedOne) {
  MnrlSettings settings;
  settings.doc_to_query = settings.per_direction = true;
  const MultipleNegativesRankingLoss loss(settings);
  for (const int columns : {2, 4}) {
    const TrainingBatch batch = batch_of(37, columns);
    const at::Tensor vectors = at::randn({37 * columns, 24});
    const LossOutput expected = loss.evaluate(vectors, batch);
    const Emulated device;
    const LossOutput ours = loss.evaluate(vectors, batch);
    EXPECT_NEAR(ours.value.item<double>(), expected.value.item<double>(), 1e-5);
    EXPECT_LT((ours.gradient - expected.gradient).abs().max().item<double>(), 1e-6);
  }
}

TEST(DeviceStep, AnAdapterLearnsTheSame) {
  const TemporaryFolder folder;
  for (const char* type : {"linear", "two_layer", "low_rank"})
    for (const char* loss : {"mnrl", "corpus"}) {
      FinetuneOptions options = tiny_options(folder / (std::string(type) + loss), 12);
      options.train.mode = "adapter";
      options.train.loss.type = loss;
      options.train.sampler = "default";
      options.adapter.type = type;
      options.adapter.rank = 4;
      EmbeddingAdapterFinetuneEngine plain(tiny_dataset(), std::nullopt, options);
      const double expected = plain.finetune().final_loss;
      options.output += "-device";
      const Emulated device;
      EmbeddingAdapterFinetuneEngine engine(tiny_dataset(), std::nullopt, options);
      EXPECT_NEAR(engine.finetune().final_loss, expected, 1e-5) << type << " " << loss;
    }
}

}  // namespace
}  // namespace attune
