// A caller's own callbacks, early stopping and the TensorBoard file.
#include <attune/callback.h>
#include <gtest/gtest.h>

#include "core/crc32c.h"
#include "retrieval/evaluation.h"
#include "tests/support/finetuning.h"
#include "trainer/tensorboard_file.h"

namespace attune {
namespace {

namespace fs = std::filesystem;
using Stop = Callback::Stop;

// Remembers everything; asks for a stop at a step.
class Listener : public Callback {
 public:
  Listener() = default;
  Listener(std::int64_t step, Stop stop) : step_(step), stop_(stop) {}
  void on_step(const StepReport& report) override {
    steps.push_back(report.step);
    if (report.step == step_) request_stop(stop_);
  }
  void on_evaluate(const EvaluationReport& report) override { evaluations.push_back(report); }
  void on_save(const SaveReport& report) override {
    EXPECT_TRUE(fs::exists(report.path)) << report.path;
    saves.push_back(report);
  }
  std::vector<std::int64_t> steps;
  std::vector<EvaluationReport> evaluations;
  std::vector<SaveReport> saves;

 private:
  std::int64_t step_ = 0;
  Stop stop_ = Stop::kNo;
};

TEST(Callbacks, HearOfStepsEvaluationsAndSaves) {
  for (const char* mode : {"full", "adapter"}) {
    const TemporaryFolder folder;
    FinetuneOptions options = tiny_options(folder / "run", 6);
    options.train.mode = mode;
    options.train.checkpoint_steps = 4;
    Listener listener;
    const auto engine = make_finetune_engine(tiny_dataset(), tiny_dataset(), options);
    engine->add(listener);
    engine->finetune();
    EXPECT_EQ(listener.steps, (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6}));
    ASSERT_EQ(listener.evaluations.size(), 2u);
    EXPECT_EQ(listener.evaluations[0].step, 3);
    EXPECT_TRUE(listener.evaluations[0].is_best);
    const auto& metrics = listener.evaluations[0].metrics;
    EXPECT_TRUE(std::any_of(metrics.begin(), metrics.end(),
                            [](const auto& metric) { return metric.first == "ndcg@10"; }));
    ASSERT_EQ(listener.saves.size(), 2u);
    EXPECT_EQ(listener.saves[0].step, 4);
    EXPECT_FALSE(listener.saves[0].is_artifact);
    EXPECT_EQ(listener.saves[1].step, 6);
    EXPECT_TRUE(listener.saves[1].is_artifact);
    EXPECT_EQ(listener.saves[1].path, engine->artifact_path());
  }
}

TEST(Callbacks, OfTheProcessHearOfEveryEngine) {
  static Listener listener;  // stays registered
  add_callback(listener);
  const TemporaryFolder folder;
  for (const char* run : {"one", "two"})
    make_finetune_engine(tiny_dataset(), std::nullopt, tiny_options(folder / run, 2))->finetune();
  EXPECT_EQ(listener.steps, (std::vector<std::int64_t>{1, 2, 1, 2}));
}

TEST(Callbacks, AnInterruptionIsGoneOnFrom) {
  const TemporaryFolder folder;
  FinetuneOptions options = tiny_options(folder / "run", 9);
  options.resume = true;
  Listener listener(4, Stop::kInterrupt);
  const auto engine = make_finetune_engine(tiny_dataset(), std::nullopt, options);
  engine->add(listener);
  const FinetuneResult first = engine->finetune();
  EXPECT_FALSE(first.finished);
  EXPECT_EQ(first.steps, 4);
  EXPECT_FALSE(fs::exists(engine->artifact_path()));
  const FinetuneResult second = engine->finetune();  // the request of before does not count
  EXPECT_TRUE(second.finished);
  EXPECT_EQ(listener.steps, (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(Callbacks, FinishingEarlyWritesTheArtifact) {
  const TemporaryFolder folder;
  Listener listener(4, Stop::kFinish);
  const auto engine =
      make_finetune_engine(tiny_dataset(), std::nullopt, tiny_options(folder / "run", 9));
  engine->add(listener);
  const FinetuneResult result = engine->finetune();
  EXPECT_TRUE(result.finished);
  EXPECT_TRUE(result.stopped_early);
  EXPECT_EQ(result.steps, 4);
  EXPECT_TRUE(fs::exists(engine->artifact_path() + "/model.safetensors"));
}

TEST(Callbacks, AnErrorEndsTheRunAndItCanBeResumed) {
  const TemporaryFolder folder;
  FinetuneOptions options = tiny_options(folder / "run", 9);
  options.train.checkpoint_steps = 2;
  options.resume = true;
  class Thrower : public Callback {
   public:
    void on_step(const StepReport& report) override {
      if (report.step == 6) throw std::runtime_error("the caller's own");
    }
  } thrower;
  const auto engine = make_finetune_engine(tiny_dataset(), std::nullopt, options);
  engine->add(thrower);
  try {
    engine->finetune();
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "the caller's own");
  }
  EXPECT_FALSE(fs::exists(engine->artifact_path()));
  Listener listener;
  const auto again = make_finetune_engine(tiny_dataset(), std::nullopt, options);
  again->add(listener);
  EXPECT_TRUE(again->finetune().finished);
  EXPECT_EQ(listener.steps.front(), 7) << "the step's checkpoint was written before it threw";
}

TEST(Patience, EndsWithTheBestWeights) {
  for (const char* mode : {"full", "adapter"}) {
    const TemporaryFolder folder;
    FinetuneOptions options = tiny_options(folder / "run", 60);
    options.train.mode = mode;
    options.train.learning_rate = 0.5;  // destroys the model
    options.train.warmup_ratio = 0;
    options.train.evaluate_steps = 1;
    options.train.patience = 3;
    const auto engine = make_finetune_engine(tiny_dataset(), tiny_dataset(), options);
    const FinetuneResult result = engine->finetune();
    EXPECT_TRUE(result.finished) << mode;
    EXPECT_TRUE(result.stopped_early) << mode;
    EXPECT_EQ(result.steps, result.best_step + 3) << mode;
    EmbedOptions embed;
    embed.device = "cpu";
    const auto model = resolve_embed_model(engine->artifact_path(), embed);
    EXPECT_NEAR(evaluate(*model, tiny_dataset(), {10}).metrics.mean("ndcg@10"), result.best_metric,
                1e-9);
  }
}

TEST(Patience, NeedsAValidationSet) {
  const TemporaryFolder folder;
  FinetuneOptions options = tiny_options(folder / "run", 6);
  options.train.patience = 3;
  try {
    make_finetune_engine(tiny_dataset(), std::nullopt, options)->finetune();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
  }
}

std::uint64_t number(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return value;
}

bool has_crc(std::string_view bytes, std::string_view stored) {
  const std::uint32_t crc = crc32c(bytes);
  return number(stored) == static_cast<std::uint32_t>(((crc >> 15) | (crc << 17)) + 0xa282ead8u);
}

// The records of a file, whose every checksum is right. What they say is read by TensorBoard
// itself: scripts/parity --only tensorboard.
std::vector<std::string> records_of(const std::string& path) {
  const std::string bytes = read_file(path);
  std::vector<std::string> records;
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::size_t size = number(rest.substr(0, 8));
    EXPECT_TRUE(has_crc(rest.substr(0, 8), rest.substr(8, 4)));
    EXPECT_TRUE(has_crc(rest.substr(12, size), rest.substr(12 + size, 4)));
    records.emplace_back(rest.substr(12, size));
    rest.remove_prefix(16 + size);
  }
  return records;
}

TEST(Tensorboard, OneFileAStartWithEveryStep) {
  const TemporaryFolder folder;
  FinetuneOptions options = tiny_options(folder / "run", 9);
  options.train.tensorboard = true;
  options.resume = true;
  for (const int stop_after : {4, 100}) {
    int asked = 0;
    const auto engine = make_finetune_engine(tiny_dataset(), tiny_dataset(), options);
    engine->finetune([&] { return asked++ == stop_after; });
  }
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder / "run/tensorboard"))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(records_of(files[0]).size(), 2u + 4 + 1);  // version, start, steps, an evaluation
  const auto records = records_of(files[1]);
  ASSERT_EQ(records.size(), 2u + 5 + 2);
  EXPECT_NE(records[0].find("brain.Event:2"), std::string::npos);
  // wall_time, then step = 5 and session_log {status: START}
  EXPECT_EQ(records[1].substr(9), std::string("\x10\x05\x3a\x02\x08\x01"));
  EXPECT_NE(records[2].find("train/loss"), std::string::npos);
}

}  // namespace
}  // namespace attune
