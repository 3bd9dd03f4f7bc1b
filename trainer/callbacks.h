// The callbacks that every run has.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/durable.h"
#include "core/progress.h"
#include "models/parameter_store.h"
#include "trainer/callback.h"

namespace attune {

// OUTPUT/metrics.jsonl: one line a step, one an evaluation (docs/formats.md). A file from before is
// cut back to its lines of the first `steps_kept` steps: a resumed run repeats the others.
class MetricsFile : public Callback {
 public:
  MetricsFile(const std::string& path, std::int64_t steps_kept);
  void sync() { file_.sync(); }
  void on_step(const StepReport& report) override;
  void on_evaluate(const EvaluationReport& report) override;

 private:
  AppendFile file_;
};

// "training 120/112 ... loss 0.31, 91 pairs/s"; the loss shown is a mean with a memory of 20 steps.
class ProgressLine : public Callback {
 public:
  explicit ProgressLine(std::int64_t total_steps) : progress_("training", total_steps) {}
  void on_step(const StepReport& report) override;
  void on_evaluate_begin() override { progress_.pause(); }
  void on_evaluate(const EvaluationReport&) override { progress_.resume(); }

 private:
  Progress progress_;
  double loss_ = 0, seconds_ = 0;
  std::int64_t pairs_ = 0, shown_ = 0;
};

// Evaluates the model in training every `every` steps (0: never) and after each epoch, tells the
// listeners, and keeps a copy of the weights with the highest NDCG@10 (a tie keeps the earlier).
class BestModel : public Callback {
 public:
  // All references outlive it.
  BestModel(const BaseEmbedding& embedding, const ParameterStore& parameters,
            const EmbeddingQAFinetuneDataset& validation, std::vector<int> k, int every,
            std::vector<Callback*> listeners);
  void on_step(const StepReport& report) override;

  bool has_best() const { return best_values_.defined(); }
  std::int64_t best_step() const { return best_step_; }
  double best_metric() const { return best_metric_; }
  const at::Tensor& best_values() const { return best_values_; }  // on the CPU
  void restore(std::int64_t step, double metric, at::Tensor values);

 private:
  const BaseEmbedding& embedding_;
  const ParameterStore& parameters_;
  const EmbeddingQAFinetuneDataset& validation_;
  std::vector<int> k_;
  int every_;
  std::vector<Callback*> listeners_;
  at::Tensor best_values_;
  std::int64_t best_step_ = 0;
  double best_metric_ = -1;
};

// Error{kDiverged} where the model gives no finite vector of a query any more: weights can be
// finite and yet too large. Such a model is neither measured nor written.
void check_embeds(const BaseEmbedding& embedding, std::string_view query);

// Calls `save` every `every` steps.
class PeriodicCheckpoint : public Callback {
 public:
  PeriodicCheckpoint(int every, std::function<void()> save)
      : every_(every), save_(std::move(save)) {}
  void on_step(const StepReport& report) override {
    if (every_ > 0 && report.step % every_ == 0) save_();
  }

 private:
  int every_;
  std::function<void()> save_;
};

}  // namespace attune
