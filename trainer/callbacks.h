// The callbacks that every run has.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>
#include <attune/callback.h>

#include "core/durable.h"
#include "core/progress.h"
#include "data/qa_dataset.h"
#include "models/parameter_store.h"

namespace attune {

// OUTPUT/metrics.jsonl: one line a step, one an evaluation, one a step that was not finite
// (docs/formats.md). A file from before is cut back to its lines of the first `steps_kept` steps
// and to what it says of the steps `skipped` (0-based): a resumed run, and one that was rolled
// back, repeat the others.
class MetricsFile : public Callback {
 public:
  MetricsFile(std::string path, std::int64_t steps_kept, const std::set<std::int64_t>& skipped);
  void sync() { file_->sync(); }
  void on_step(const StepReport& report) override;
  bool needs_weights(const StepReport&) const override { return false; }
  static constexpr std::int64_t kNoNextStep = 0;  // the training ends with it
  void on_nonfinite(const NonfiniteReport& report) override;
  void on_evaluate(const EvaluationReport& report) override;

 private:
  void keep_steps(std::int64_t steps, const std::function<bool(std::int64_t)>& is_skipped);
  std::string path_;
  std::optional<AppendFile> file_;
};

// "training 120/400 (30 %), 2m05s left, loss 0.31, rate 1.8e-05, 91 pairs/s, 4812 tokens/s, epoch
// 0.60, 812 MiB": loss and speeds with a memory of 20 steps, the process's memory or, on a GPU, the
// most that tensors took there. Evaluations do not count towards the time left.
class ProgressLine : public Callback {
 public:
  ProgressLine(std::int64_t total_steps, std::int64_t steps_before, at::Device device)
      : progress_("training", total_steps, steps_before), device_(device) {}
  void on_step(const StepReport& report) override;
  bool needs_weights(const StepReport&) const override { return false; }
  void on_evaluate_begin() override { progress_.pause("evaluating"); }
  void on_evaluate(const EvaluationReport&) override { progress_.resume(); }

 private:
  Progress progress_;
  at::Device device_;
  double loss_ = 0, seconds_ = 0, pairs_ = 0, tokens_ = 0;  // means
  std::int64_t steps_ = 0;
};

// Evaluates the model in training every `every` steps (0: never) and after each epoch, tells the
// listeners, and keeps a copy of the weights with the highest NDCG@10 (a tie keeps the earlier).
// After `patience` evaluations in a row (0: any number) that found nothing better it asks for the
// end of the training.
class BestModel : public Callback {
 public:
  struct State {
    std::int64_t step = 0;
    double metric = -1;
    at::Tensor values;  // on the CPU; undefined before the first evaluation
    std::int64_t evaluations_without_gain = 0;
  };

  // All references outlive it.
  BestModel(const BaseEmbedding& embedding, const ParameterStore& parameters,
            const EmbeddingQAFinetuneDataset& validation, std::vector<int> k, int every,
            int patience, std::vector<Callback*> listeners);
  void on_step(const StepReport& report) override;
  // Where an evaluation is due.
  bool needs_weights(const StepReport& report) const override;

  const State& state() const { return state_; }
  bool has_best() const { return state_.values.defined(); }
  void restore(State state);

 private:
  const BaseEmbedding& embedding_;
  const ParameterStore& parameters_;
  const EmbeddingQAFinetuneDataset& validation_;
  std::vector<int> k_;
  int every_, patience_;
  std::vector<Callback*> listeners_;
  State state_;
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
    if (needs_weights(report)) save_();
  }
  bool needs_weights(const StepReport& report) const override {
    return every_ > 0 && report.step % every_ == 0;
  }

 private:
  int every_;
  std::function<void()> save_;
};

}  // namespace attune
