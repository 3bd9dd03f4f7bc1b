// The training loop. One step:
//   embed the chunks -> loss and gradient on the vectors -> backward through the chunks -> clip ->
//   AdamW
// With train.accumulate the first three are done for each of several batches, and their gradients
// averaged: as transformers' gradient_accumulation_steps, whose short last group of an epoch is
// averaged over the batches it has.
// With one chunk the graph is kept from the first forward; with several, each chunk is embedded
// without a graph first and again with one for its backward (GradCache, Gao et al. 2021): same
// numbers, bounded memory. What would not fit is chunked (trainer/chunk_fit.h), and running out of
// memory all the same halves the chunks and repeats the step; the batch is never changed.
//
// On a GPU nothing of this waits for the device: a step whose loss or gradient is not finite passes
// over the weights by itself, and its numbers are read when the next step is under way, unless a
// callback needs the weights in between. Small steps are replayed from recordings
// (trainer/step_graphs.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <attune/callback.h>

#include "core/stop.h"
#include "models/embedding_model.h"
#include "trainer/adamw.h"
#include "trainer/batch_prefetcher.h"
#include "trainer/chunk_fit.h"
#include "trainer/losses/loss.h"
#include "trainer/schedule.h"
#include "trainer/step_graphs.h"
#include "trainer/step_outcome.h"
#include "trainer/train_config.h"
#include "trainer/training_batch.h"

namespace attune {

// How a step's forwards are done.
ForwardOptions training_options(const TrainConfig& config, std::uint64_t seed, std::int64_t step);

class Trainer {
 public:
  // All references outlive the trainer. The parameters, through which `embed` goes, are made
  // trainable. `embed` can be recorded: see StepGraphs.
  Trainer(EmbedChunk embed, ParameterStore& parameters, const Loss& loss, const BatchSource& source,
          const TrainConfig& config, std::uint64_t seed);
  // A whole encoder.
  Trainer(EmbeddingModel& model, const Loss& loss, const BatchSource& source,
          const TrainConfig& config, std::uint64_t seed);

  void add(Callback& callback) { callbacks_.push_back(&callback); }

  // Decides about a step whose loss or gradient is not finite, before any weight has changed:
  // throws, or returns the step to take next (0-based): the one after it, which it has told the
  // trainer to skip, or an earlier one, whose state it has put back. Without it: Error{kDiverged}.
  using OnNonfinite = std::function<std::int64_t(const StepReport&)>;
  void set_on_nonfinite(OnNonfinite decide) { on_nonfinite_ = std::move(decide); }

  // Takes all steps from next_step() on; stops early, between two steps, when `stop_requested` or a
  // callback says so. kFinish: all steps are taken, or a callback found it enough.
  Callback::Stop run(const StopRequested& stop_requested = {});

  std::int64_t next_step() const { return next_step_; }  // 0-based
  std::int64_t total_steps() const { return source_.steps(); }
  std::vector<std::int64_t> rows_of(std::int64_t step) const { return source_.rows_of(step); }
  AdamW& optimizer() { return optimizer_; }
  void resume_at(std::int64_t step) { next_step_ = step; }
  ChunkFit& chunk_fit() { return chunk_fit_; }
  // Null where steps are not recorded.
  const StepGraphs* graphs() const { return graphs_ ? &*graphs_ : nullptr; }

  // Steps (0-based) that change no weight.
  const std::set<std::int64_t>& skipped() const { return skipped_; }
  void skip(std::int64_t step) { skipped_.insert(step); }

 private:
  // A step that is under way.
  struct Flight {
    StepReport report;  // all but the outcome
    StepOutcome outcome;
    std::chrono::steady_clock::time_point begun;
  };
  Flight begin(std::int64_t step);
  StepReport planned(const StepPlan& plan, std::int64_t step) const;
  // Reads its numbers and tells the callbacks. False: the run goes back to an earlier step.
  bool settle(Flight flight);
  bool needs_weights(const StepReport& step) const;
  Callback::Stop requested_stop() const;
  at::Tensor accumulate(const StepPlan& plan, const ForwardOptions& options);
  at::Tensor forward_backward(const BatchPlan& plan, const ForwardOptions& options, double weight);
  at::Tensor backward_of_one_chunk(const PackedTokens& tokens, const TrainingBatch& batch,
                                   const ForwardOptions& options, double weight);

  EmbedChunk embed_;
  ParameterStore& parameters_;
  const Loss& loss_;
  const BatchSource& source_;
  BatchPrefetcher prefetcher_;
  TrainConfig config_;
  std::uint64_t seed_;
  Schedule schedule_;
  AdamW optimizer_;
  std::vector<Callback*> callbacks_;
  OnNonfinite on_nonfinite_;
  std::set<std::int64_t> skipped_;
  ChunkFit chunk_fit_;
  std::optional<StepGraphs> graphs_;
  bool runs_ahead_ = false;
  std::chrono::steady_clock::time_point settled_;  // the last one
  std::int64_t next_step_ = 0;
};

// Error{kDiverged} that says what the step found, then `also`, then what to do.
[[noreturn]] void throw_nonfinite(const StepReport& report, const std::string& also = "");

}  // namespace attune
