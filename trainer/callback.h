// What happens beside the steps: metrics file, progress, evaluation, checkpoints are callbacks.
#pragma once

#include <cstdint>
#include <string>

#include "retrieval/evaluation.h"

namespace attune {

struct StepReport {
  std::int64_t step = 0, total_steps = 0;  // 1-based
  double epoch = 0, loss = 0, learning_rate = 0, grad_norm = 0, seconds = 0;
  std::int64_t pairs = 0, tokens = 0;
  bool ends_epoch = false;
};

struct EvaluationReport {
  std::int64_t step = 0;
  const Evaluation* evaluation = nullptr;
  bool is_best = false;
  double seconds = 0;
};

class Callback {
 public:
  virtual ~Callback() = default;
  virtual void on_step(const StepReport&) {}
  virtual void on_evaluate_begin() {}
  virtual void on_evaluate(const EvaluationReport&) {}
};

}  // namespace attune
