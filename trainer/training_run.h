// The course of one run around the trainer's steps: resuming, metrics, validation, checkpoints,
// what becomes of a step that is not finite, and the end. Used by FinetuneEngine::run() alone.
//
// What decides the numbers after a checkpoint is in it or is a pure function of the step, so that a
// resumed run makes the same decisions as one that was never stopped, bit for bit.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/stop.h"
#include "trainer/callbacks.h"
#include "trainer/checkpoint.h"
#include "trainer/finetune_engine.h"
#include "trainer/tensorboard_file.h"

namespace attune {

class TrainingRun {
 public:
  struct Data {
    const TrainingSets& training;
    const EmbeddingQAFinetuneDataset* validation;  // null: none
  };

  // All references outlive it. Goes on from the newest good checkpoint if the options say so.
  TrainingRun(Trainer& trainer, const FinetuneEngine::Subject& subject, const Data& data,
              const FinetuneOptions& options, const Fingerprint& configuration,
              const std::vector<Callback*>& callers, std::chrono::steady_clock::time_point start);

  // Takes the steps; leaves the best weights in the parameters, or a checkpoint.
  FinetuneResult finish(const StopRequested& stop_requested);

 private:
  // What the result tells of all steps, those before a resume included.
  class Totals : public Callback {
   public:
    void on_step(const StepReport& report) override;
    bool needs_weights(const StepReport&) const override { return false; }
    double loss = 0;  // of the newest step that was taken
    std::int64_t pairs = 0;
  };

  void add_callbacks();
  void restore(const Checkpoint& checkpoint);
  void save();
  double seconds() const;
  void tell_graphs() const;
  // Trainer::OnNonfinite, by train.on_nonfinite.
  std::int64_t decide(const StepReport& report);
  void check_skips(const StepReport& report);
  std::int64_t roll_back(const StepReport& report);
  NonfiniteReport nonfinite_report(const StepReport& report, std::int64_t next_step) const;
  void tell_nonfinite(const StepReport& report, std::int64_t next);
  [[noreturn]] void end_nonfinite(const StepReport& report, const std::string& also = "");
  bool rolls_back() const { return options_.train.on_nonfinite == "rollback"; }

  Trainer& trainer_;
  const FinetuneEngine::Subject& subject_;
  const Data data_;
  const FinetuneOptions& options_;
  std::vector<Callback*> callers_;
  std::chrono::steady_clock::time_point start_;
  double seconds_before_ = 0;
  std::string checkpoints_;  // folder
  Checkpoint identity_;      // what a checkpoint must have to be gone on from
  std::optional<RollbackPoints> rollback_points_;
  int rollbacks_ = 0;
  Totals totals_;
  std::optional<MetricsFile> metrics_;
  std::optional<TensorboardFile> tensorboard_;
  std::optional<ProgressLine> progress_;
  std::optional<BestModel> best_;
  std::optional<PeriodicCheckpoint> periodic_;
};

}  // namespace attune
