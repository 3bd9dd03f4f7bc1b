// Checkpoints with a changed bit, cut short, or with a file missing: each is found, the one before
// it is taken, and the warning names both. `ctest -L campaign` flips 10,000 bits.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "tests/core/scratch.h"
#include "trainer/checkpoint.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

Checkpoint checkpoint_at(std::int64_t step) {
  Checkpoint checkpoint;
  checkpoint.next_step = step;
  checkpoint.seed = 42;
  checkpoint.configuration = "configuration";
  checkpoint.device = "cpu";
  checkpoint.values = at::full({20}, 0.5 + static_cast<double>(step));
  checkpoint.first_moments = checkpoint.values * 2;
  checkpoint.second_moments = checkpoint.values * 3;
  checkpoint.pairs = 123;
  checkpoint.best_metric = 0.25;
  checkpoint.skipped = {1};
  return checkpoint;
}

// Steps 1 and 2, of which the second is damaged by each test.
class CheckpointDamage : public testing::Test {
 protected:
  CheckpointDamage() {
    set_log_level(LogLevel::kError);
    for (const std::int64_t step : {1, 2})
      newest_ = save_checkpoint(scratch_.path(), checkpoint_at(step));
    for (const auto& entry : fs::directory_iterator(newest_))
      files_.push_back(entry.path().string());
    std::sort(files_.begin(), files_.end());
  }
  ~CheckpointDamage() override { set_log_level(LogLevel::kInfo); }

  static std::int64_t tries(std::int64_t otherwise) {
    const char* given = std::getenv("ATTUNE_DAMAGED_BITS");
    return given != nullptr ? std::atoll(given) : otherwise;
  }
  std::int64_t step_taken() const {
    const auto found = load_newest_checkpoint(scratch_.path(), checkpoint_at(0));
    return found ? found->next_step : 0;
  }
  static void put(const std::string& path, const std::string& bytes) {
    FILE* const file = std::fopen(path.c_str(), "wb");
    ASSERT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
    std::fclose(file);
  }

  Scratch scratch_;
  std::string newest_;
  std::vector<std::string> files_;
};

TEST_F(CheckpointDamage, AnyChangedBitIsFound) {
  ASSERT_EQ(files_.size(), 2u);
  std::vector<std::string> good;
  std::size_t bytes = 0;
  for (const std::string& path : files_) bytes += good.emplace_back(read_file(path)).size();
  std::mt19937_64 random(3);
  const std::int64_t flips = tries(500);
  for (std::int64_t i = 0; i < flips; ++i) {
    std::size_t at = random() % bytes, file = 0;
    while (at >= good[file].size()) at -= good[file++].size();
    const int bit = static_cast<int>(random() % 8);
    std::string changed = good[file];
    changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
    put(files_[file], changed);
    ASSERT_EQ(step_taken(), 1) << files_[file] << ", byte " << at << ", bit " << bit;
    put(files_[file], good[file]);
  }
  EXPECT_EQ(step_taken(), 2);
  std::cout << "| bits changed in a checkpoint | " << flips << " | all found |\n";
}

TEST_F(CheckpointDamage, AnyCutIsFound) {
  std::int64_t cuts = 0;
  for (const std::string& path : files_) {
    const std::string good = read_file(path);
    const std::size_t step = std::max<std::size_t>(1, good.size() / 500);
    for (std::size_t length = 0; length < good.size(); length += step, ++cuts) {
      put(path, good.substr(0, length));
      ASSERT_EQ(step_taken(), 1) << path << ", " << length << " bytes left";
    }
    put(path, good + '\0');
    ASSERT_EQ(step_taken(), 1) << path << ", a byte longer";
    put(path, good);
  }
  EXPECT_EQ(step_taken(), 2);
  std::cout << "| cuts of a checkpoint's files | " << cuts << " | all found |\n";
}

TEST_F(CheckpointDamage, AMissingFileIsFoundAndTheWarningNamesBoth) {
  for (const std::string& path : files_) {
    fs::rename(path, scratch_ / "away");
    set_log_level(LogLevel::kWarning);
    testing::internal::CaptureStderr();
    EXPECT_EQ(step_taken(), 1);
    const std::string told = testing::internal::GetCapturedStderr();
    EXPECT_NE(told.find(newest_ + ": damaged; going on from " + scratch_ / "step-00000001"),
              std::string::npos)
        << told;
    fs::rename(scratch_ / "away", path);
  }
  EXPECT_EQ(step_taken(), 2);
}

TEST_F(CheckpointDamage, WithNoneLeftThereIsNone) {
  fs::remove(newest_ + "/manifest.json");
  fs::remove(scratch_ / "step-00000001/state.safetensors");
  EXPECT_EQ(step_taken(), 0);
}

TEST_F(CheckpointDamage, WhatIsNotFiniteIsNotSaved) {
  for (at::Tensor Checkpoint::* tensor : {&Checkpoint::values, &Checkpoint::first_moments,
                                          &Checkpoint::second_moments, &Checkpoint::best_values}) {
    for (const double bad :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
      Checkpoint checkpoint = checkpoint_at(3);
      (checkpoint.*tensor) = checkpoint.values.clone();
      (checkpoint.*tensor)[7] = bad;
      try {
        save_checkpoint(scratch_.path(), checkpoint);
        ADD_FAILURE() << "saved";
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kDiverged) << error.what();
      }
      EXPECT_EQ(step_taken(), 2);
    }
  }
}

}  // namespace
}  // namespace attune
