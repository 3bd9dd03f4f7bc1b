// A small training for tests: its settings, and what its steps told.
#pragma once

#include <vector>

#include <attune/callback.h>

#include "trainer/train_config.h"

namespace attune {

// Of the tiny BERT's twelve golden rows: two passes of three steps, without dropout.
inline TrainConfig tiny_config() {
  TrainConfig config;
  config.epochs = 2;
  config.batch_size = 4;
  config.learning_rate = 1e-3;
  config.sampler = "default";
  config.dropout = "0";
  return config;
}

class Recorder : public Callback {
 public:
  void on_step(const StepReport& report) override { reports.push_back(report); }
  std::vector<double> losses() const {
    std::vector<double> values;
    for (const StepReport& report : reports) values.push_back(report.loss);
    return values;
  }
  std::vector<StepReport> reports;
};

}  // namespace attune
