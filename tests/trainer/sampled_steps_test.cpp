#include "trainer/sampled_steps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/error.h"

namespace attune {
namespace {

// Rows "q0 d0", "q1 d1", ... of data sets of these sizes.
class SampledStepsTest : public testing::Test {
 protected:
  const TrainingRows& rows_of(const std::vector<int>& sizes) {
    rows_ = TrainingRows();
    texts_.clear();
    texts_.reserve(1000);
    rows_.columns.resize(2);
    for (std::size_t set = 0; set < sizes.size(); ++set) {
      if (sizes.size() > 1) rows_.sources.push_back({str_cat("set ", set), 2, 1});
      for (int i = 0; i < sizes[set]; ++i) {
        for (const char* what : {"q", "d"}) {
          texts_.push_back(str_cat(what, rows_.num_rows()));
          rows_.columns[*what == 'q' ? 0 : 1].push_back(texts_.back());
        }
        if (sizes.size() > 1) rows_.source.push_back(static_cast<int>(set));
      }
    }
    return rows_;
  }

  std::vector<std::vector<std::int64_t>> order(const TrainConfig& config, std::uint64_t seed) {
    std::vector<std::vector<std::int64_t>> batches;
    const SampledSteps sampled(rows_, config, seed, tokens_);
    for (const SampledBatch& batch : sampled.batches()) batches.push_back(batch.rows);
    return batches;
  }

  Error refusal(const TrainConfig& config) {
    try {
      SampledSteps(rows_, config, 1, tokens_);
    } catch (const Error& error) {
      return error;
    }
    return Error(ErrorKind::kFailed, "nothing was refused");
  }

  static TrainConfig config_of(int batch_size, int epochs) {
    TrainConfig config;
    config.batch_size = batch_size;
    config.epochs = epochs;
    return config;
  }

  TrainingRows rows_;
  std::vector<std::string> texts_;
  std::vector<std::int64_t> tokens_;
};

TEST_F(SampledStepsTest, AStepTakesSoManyBatchesAndNeverReachesIntoTheNextEpoch) {
  rows_of({14});
  TrainConfig config = config_of(2, 2);
  config.accumulate = 3;
  const SampledSteps sampled(rows_, config, 42);
  ASSERT_EQ(sampled.steps(), 6);  // 3 + 3 + 1 batches, twice
  for (std::int64_t step = 0; step < 6; ++step) {
    const auto batches = sampled.of(step);
    EXPECT_EQ(batches.size(), step % 3 == 2 ? 1u : 3u) << step;
    for (const SampledBatch& batch : batches) EXPECT_EQ(batch.epoch, step / 3);
    EXPECT_EQ(batches.back().ends_epoch, step % 3 == 2);
  }
  EXPECT_DOUBLE_EQ(sampled.of(1).back().epochs_done, 6.0 / 7);
  EXPECT_DOUBLE_EQ(sampled.of(5).back().epochs_done, 2);
  config.accumulate = 1;
  EXPECT_EQ(SampledSteps(rows_, config, 42).steps(), 14);
  config.accumulate = 3;
  config.max_steps = 4;
  EXPECT_EQ(SampledSteps(rows_, config, 42).steps(), 4) << "steps, not batches";
}

TEST_F(SampledStepsTest, ThePlanOfAStepHoldsAllItsBatches) {
  rows_of({10});
  TrainConfig config = config_of(2, 1);
  config.accumulate = 4;
  const SampledSteps sampled(rows_, config, 42);
  const auto plan_batch = [](const SampledBatch& chosen) {
    BatchPlan plan;
    plan.batch.rows = static_cast<int>(chosen.rows[0]);
    return plan;
  };
  const StepPlan first = sampled.plan(0, plan_batch), last = sampled.plan(1, plan_batch);
  EXPECT_EQ(first.batch.rows, sampled.batches()[0].rows[0]);
  ASSERT_EQ(first.more.size(), 3u);
  EXPECT_EQ(first.more[2].batch.rows, sampled.batches()[3].rows[0]);
  EXPECT_FALSE(first.ends_epoch);
  EXPECT_TRUE(last.more.empty());
  EXPECT_TRUE(last.ends_epoch);
}

TEST_F(SampledStepsTest, TheOrderFollowsSeedEpochAndDataAlone) {
  for (const std::vector<int>& sizes : {std::vector<int>{40}, {25, 15}})
    for (const char* sampler : {"default", "no_duplicates", "group_by_label"})
      for (const char* multi : {"proportional", "round_robin"}) {
        TrainConfig config = config_of(4, 2);
        config.sampler = sampler;
        config.multi_dataset = multi;
        const auto prepare = [&] {
          rows_of(sizes);
          rows_.labels_per_row = 1;
          for (int i = 0; i < 40; ++i) rows_.labels.push_back(static_cast<float>(i % 3));
        };
        prepare();
        const auto once = order(config, 7);
        EXPECT_EQ(order(config, 7), once);
        EXPECT_NE(order(config, 9), once) << "another seed";
        EXPECT_NE(std::vector(once.begin(), once.begin() + std::ssize(once) / 2),
                  std::vector(once.begin() + std::ssize(once) / 2, once.end()))
            << "another epoch";
        if (std::string(sampler) == "no_duplicates")
          for (int i = 0; i < 12; ++i) rows_.columns[1][i] = rows_.columns[1][0];
        if (std::string(sampler) == "group_by_label") std::swap(rows_.labels[0], rows_.labels[1]);
        if (std::string(sampler) == "default") {
          std::vector<int> one_less = sizes;
          --one_less[0];
          rows_of(one_less);
        }
        EXPECT_NE(order(config, 7), once) << "other data";
      }
}

TEST_F(SampledStepsTest, ABatchHoldsRowsOfOneDataSet) {
  rows_of({25, 15, 7});
  for (const char* multi : {"proportional", "round_robin"})
    for (const int tokens : {0, 20}) {
      TrainConfig config = config_of(4, 2);
      config.multi_dataset = multi;
      config.batch_tokens = tokens;
      tokens_.assign(47, 6);
      std::set<std::int64_t> seen;
      for (const auto& batch : order(config, 3)) {
        for (const std::int64_t row : batch) {
          EXPECT_EQ(rows_.source[row], rows_.source[batch[0]]);
          seen.insert(row);
        }
        EXPECT_LE(batch.size(), tokens == 0 ? 4u : 3u);
      }
      if (std::string(multi) == "proportional") {
        EXPECT_EQ(seen.size(), 47u);
      }
    }
}

TEST_F(SampledStepsTest, RefusesWhatCannotBeSampled) {
  TrainConfig config = config_of(4, 1);
  EXPECT_EQ(refusal(config).kind(), ErrorKind::kData) << "no rows";
  rows_of({10});
  config.batch_tokens = 50;
  tokens_ = {1, 2, 3, 4, 51, 6, 7, 8, 9, 10};
  EXPECT_EQ(refusal(config).kind(), ErrorKind::kConfig);
  EXPECT_NE(std::string(refusal(config).what()).find("row 5 has 51 tokens"), std::string::npos)
      << refusal(config).what();
  config = config_of(4, 1);
  config.sampler = "group_by_label";
  EXPECT_NE(std::string(refusal(config).what()).find("one label each"), std::string::npos);
  rows_.labels_per_row = 1;
  rows_.labels.assign(10, 2);
  EXPECT_EQ(refusal(config).kind(), ErrorKind::kData) << "one label alone";
  rows_of({10, 4});
  rows_.labels_per_row = 1;
  for (int i = 0; i < 14; ++i) rows_.labels.push_back(static_cast<float>(i < 10 ? i % 2 : i));
  EXPECT_EQ(std::string(refusal(config).what()).find("set 1: "), 0u) << refusal(config).what();
  config = config_of(4, 1);
  config.parity = "llamaindex";
  EXPECT_EQ(refusal(config).kind(), ErrorKind::kConfig) << "its batches would mix the sets";
}

TEST_F(SampledStepsTest, TellsWhetherARowHasAnythingToBeToldApartFrom) {
  rows_of({3});
  TrainConfig config = config_of(2, 1);
  EXPECT_TRUE(SampledSteps(rows_, config, 1).has_pairs());
  tokens_ = {5, 5, 5};
  config.batch_tokens = 5;
  EXPECT_FALSE(SampledSteps(rows_, config, 1, tokens_).has_pairs());
}

}  // namespace
}  // namespace attune
