#include "trainer/trainer.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "models/device_kernels.h"
#include "models/encoder_embedding.h"
#include "tests/support/losses.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/training.h"
#include "trainer/guided_batches.h"
#include "trainer/pair_batches.h"

namespace attune {
namespace {

// The golden run's settings.
TrainConfig golden_config() {
  TrainConfig config = tiny_config();
  config.warmup_ratio = 0.2;
  return config;
}

struct Course {
  std::vector<StepReport> reports;
  std::shared_ptr<EmbeddingModel> model;
  const at::Tensor& values() const { return model->parameters().values(); }
};

Course train(const TrainConfig& config) {
  const auto model = load_tiny_bert();
  const PairBatches batches(*model, tiny_rows(), config, 42);
  const auto loss = make_loss(config.loss);
  Trainer trainer(*model, *loss, batches, config, 42);
  Recorder recorder;
  trainer.add(recorder);
  trainer.run();
  return {recorder.reports, model};
}

TEST(Trainer, EqualsSentenceTransformersStepByStep) {
  const Json& golden = tiny_golden()["training"];
  const Course course = train(golden_config());
  ASSERT_EQ(course.reports.size(), golden["losses"].size());
  for (std::size_t i = 0; i < course.reports.size(); ++i) {
    const StepReport& report = course.reports[i];
    EXPECT_NEAR(report.loss, golden["losses"][i].get<double>(), 2e-5) << i;
    EXPECT_NEAR(report.grad_norm, golden["grad_norms"][i].get<double>(), 2e-3) << i;
    EXPECT_NEAR(report.learning_rate, golden["learning_rates"][i].get<double>(), 1e-12) << i;
    EXPECT_EQ(report.tokens, golden["tokens"][i].get<std::int64_t>()) << i;
  }
  // A rate of 1e-3 is fifty times the usual, so the tolerance of 5e-6 at 2e-5 grows with it.
  const Weights expected = Weights::from_file(kTinyBert + "/weights_after.safetensors");
  for (const NamedTensor& ours : course.model->parameters().stored_tensors()) {
    if (ours.name.find("key.bias") != std::string::npos) continue;  // its true gradient is 0: noise
    at::Tensor theirs = at::empty(ours.tensor.sizes());
    expected.copy_to(ours.name, theirs);
    EXPECT_LT((ours.tensor - theirs).abs().max().item<double>(), 5e-5) << ours.name;
  }
}

TEST(Trainer, ChunksChangeNothingDropoutIncluded) {
  TrainConfig config = golden_config();
  config.dropout = "0.2";
  const Course plain = train(config);
  for (int tokens : {1, 20, 60}) {
    config.chunk_tokens = tokens;
    const Course chunked = train(config);
    ASSERT_EQ(chunked.reports.size(), plain.reports.size());
    for (std::size_t i = 0; i < plain.reports.size(); ++i)
      EXPECT_NEAR(chunked.reports[i].loss, plain.reports[i].loss, 1e-4) << tokens << " step " << i;
    EXPECT_NEAR(chunked.reports[0].loss, plain.reports[0].loss, 1e-6);
  }
}

// The golden rows with as many columns and labels as a loss reads.
TrainingRows rows_for(const LossCase& c) {
  TrainingRows rows = tiny_rows();
  std::rotate_copy(rows.columns[2].begin(), rows.columns[2].begin() + 3, rows.columns[2].end(),
                   std::back_inserter(rows.columns.emplace_back()));
  rows.columns.resize(c.columns);
  rows.document_id.emplace_back();
  for (std::int64_t row = 0; row < rows.num_rows(); ++row) rows.document_id[2].push_back(200 + row);
  rows.document_id.resize(c.columns - 1);
  rows.labels_per_row = c.labels_per_row;
  for (int i = 0; i < rows.num_rows() * c.labels_per_row; ++i)
    rows.labels.push_back(static_cast<float>(i % 5) / 4);
  return rows;
}

std::vector<StepReport> two_steps(const LossCase& c, int chunk_tokens) {
  TrainConfig config = golden_config();
  config.loss = c.config;
  config.dropout = "0.2";
  config.max_steps = 2;
  config.chunk_tokens = chunk_tokens;
  const auto model = load_tiny_bert();
  const PairBatches batches(*model, rows_for(c), config, 42);
  const GuidedBatches guided(batches, batches.rows(),
                             std::make_shared<EncoderEmbedding>(load_tiny_bert(), "guide"));
  const auto loss = make_loss(c.config);
  Trainer trainer(*model, *loss, guided, config, 42);
  Recorder recorder;
  trainer.add(recorder);
  trainer.run();
  return recorder.reports;
}

TEST(Trainer, EveryLossIsTheSameCachedWithDropoutOn) {
  // A device reports its loss in fp32.
  const double rounding = has_device_kernels(at::Device(at::kCPU)) ? 2e-6 : 1e-6;
  for (const LossCase& c : every_loss()) {
    const auto plain = two_steps(c, 0), cached = two_steps(c, 20);
    const double unit = std::max(1.0, plain[0].loss);
    EXPECT_GT(plain[0].grad_norm, 1e-3) << c.name;
    EXPECT_NEAR(cached[0].loss / unit, plain[0].loss / unit, rounding) << c.name;
    EXPECT_NEAR(cached[0].grad_norm / plain[0].grad_norm, 1, 1e-5) << c.name;
    EXPECT_NEAR(cached[1].loss / unit, plain[1].loss / unit, 1e-4) << c.name;
  }
}

TEST(Trainer, TheSameSeedGivesTheSameBits) {
  TrainConfig config = golden_config();
  config.dropout = "model";
  EXPECT_TRUE(at::equal(train(config).values(), train(config).values()));
}

TEST(Trainer, OverfitsAFewPairs) {
  TrainConfig config = golden_config();
  config.epochs = 40;
  const Course run = train(config);
  EXPECT_LT(run.reports.back().loss, 0.05 * run.reports.front().loss);
}

TEST(Trainer, StopsBetweenTwoStepsAndGoesOn) {
  const TrainConfig config = golden_config();
  const auto model = load_tiny_bert();
  const PairBatches batches(*model, tiny_rows(), config, 42);
  const auto loss = make_loss(config.loss);
  Trainer trainer(*model, *loss, batches, config, 42);
  trainer.run([&] { return trainer.next_step() == 2; });
  EXPECT_EQ(trainer.next_step(), 2);
  trainer.run();
  EXPECT_TRUE(at::equal(model->parameters().values(), train(config).values()));
}

// Its first `times` calls run out of memory.
class Forgetful : public Loss {
 public:
  explicit Forgetful(int times) : left_(times) {}
  void check(const RowSource&, int) const override {}
  LossOutput evaluate(const at::Tensor& vectors, const TrainingBatch& batch) const override {
    TORCH_CHECK_WITH(OutOfMemoryError, left_-- <= 0, "out of memory, as the test wants");
    return loss_->evaluate(vectors, batch);
  }

 private:
  std::unique_ptr<Loss> loss_ = make_loss({});
  mutable int left_;
};

TEST(Trainer, RunningOutOfMemoryShrinksTheChunksAndKeepsTheNumbers) {
  const TrainConfig config = golden_config();
  const Course expected = train(config);
  const auto model = load_tiny_bert();
  const PairBatches batches(*model, tiny_rows(), config, 42);
  const Forgetful loss(2);
  Trainer trainer(*model, loss, batches, config, 42);
  Recorder recorder;
  trainer.add(recorder);
  trainer.run();
  for (std::size_t i = 0; i < expected.reports.size(); ++i)
    EXPECT_NEAR(recorder.reports[i].loss, expected.reports[i].loss, 1e-5);
}

TEST(Trainer, NoMemoryForOneSequenceIsAnErrorOfResources) {
  const TrainConfig config = golden_config();
  const auto model = load_tiny_bert();
  const PairBatches batches(*model, tiny_rows(), config, 42);
  const Forgetful loss(1000);
  Trainer trainer(*model, loss, batches, config, 42);
  try {
    trainer.run();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kResources);
  }
}

TEST(Trainer, ALossThatIsNotFiniteIsSeenInItsStepAndChangesNoWeight) {
  const TrainConfig config = golden_config();
  const auto model = load_tiny_bert();
  model->parameters().get("embeddings.LayerNorm.weight").detach()[7] = NAN;
  const at::Tensor before = model->parameters().values().clone();
  const PairBatches batches(*model, tiny_rows(), config, 42);
  const auto loss = make_loss(config.loss);
  Trainer trainer(*model, *loss, batches, config, 42);
  try {
    trainer.run();
    FAIL() << "no step saw the NaN";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kDiverged);
    EXPECT_NE(std::string(error.what()).find("step 1: loss nan"), std::string::npos)
        << error.what();
  }
  EXPECT_TRUE(at::equal(model->parameters().values().nan_to_num(), before.nan_to_num()));
}

TEST(PairBatches, EveryRowOnceAnEpochAndUidsThatNeverRepeat) {
  const auto model = load_tiny_bert();
  TrainConfig config = golden_config();
  config.batch_size = 5;
  const PairBatches batches(*model, tiny_rows(), config, 42);
  ASSERT_EQ(batches.steps(), 6);  // 5 + 5 + 2, twice
  std::vector<std::int64_t> uids, documents;
  for (std::int64_t step = 0; step < batches.steps(); ++step) {
    const StepPlan plan = batches.at(step);
    EXPECT_EQ(plan.ends_epoch, step % 3 == 2);
    for (const PackedBatch& chunk : plan.chunks)
      uids.insert(uids.end(), chunk.sequence_uid.begin(), chunk.sequence_uid.end());
    documents.insert(documents.end(), plan.batch.document_id.begin(),
                     plan.batch.document_id.begin() + plan.batch.rows);
  }
  std::sort(uids.begin(), uids.end());
  EXPECT_EQ(std::adjacent_find(uids.begin(), uids.end()), uids.end());
  for (int epoch = 0; epoch < 2; ++epoch) {
    std::vector<std::int64_t> seen(documents.begin() + 12 * epoch,
                                   documents.begin() + 12 * (epoch + 1));
    std::sort(seen.begin(), seen.end());
    for (std::int64_t i = 0; i < 12; ++i) EXPECT_EQ(seen[i], i);
  }
}

TEST(PairBatches, MaxStepsEndsTheRunAndItsSchedule) {
  const auto model = load_tiny_bert();
  TrainConfig config = golden_config();
  config.max_steps = 2;
  const PairBatches batches(*model, tiny_rows(), config, 42);
  EXPECT_EQ(batches.steps(), 2);
}

}  // namespace
}  // namespace attune
