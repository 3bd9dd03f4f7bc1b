// Which rows each step of a run takes: a pure function of the rows, the settings and the seed.
#pragma once

#include <cstdint>
#include <vector>

#include "data/qa_dataset.h"
#include "trainer/train_config.h"

namespace attune {

struct SampledStep {
  int epoch;
  std::vector<std::int64_t> rows;
  double epochs_done;  // after this step, 1.5 = one and a half
  bool ends_epoch;
};

// All epochs, or train.max_steps of them. Error{kData} without a row.
std::vector<SampledStep> sample_steps(const TrainingRows& rows, const TrainConfig& config,
                                      std::uint64_t seed);

// Rows of the data set's queries in a step.
std::vector<std::int64_t> query_rows(const TrainingRows& rows,
                                     const std::vector<SampledStep>& steps, std::int64_t step);

}  // namespace attune
