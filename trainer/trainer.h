// The training loop. One step:
//   embed the chunks -> loss and gradient on the vectors -> backward through the chunks -> clip ->
//   AdamW
// With train.accumulate the first three are done for each of several batches, and their gradients
// averaged: as transformers' gradient_accumulation_steps, whose short last group of an epoch is
// averaged over the batches it has.
// With one chunk the graph is kept from the first forward; with several, each chunk is embedded
// without a graph first and again with one for its backward (GradCache, Gao et al. 2021): same
// numbers, bounded memory. Running out of memory halves the chunks and repeats the step; the batch
// is never changed.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "models/embedding_model.h"
#include "trainer/adamw.h"
#include "trainer/batch_prefetcher.h"
#include "trainer/callback.h"
#include "trainer/losses/loss.h"
#include "trainer/schedule.h"
#include "trainer/train_config.h"
#include "trainer/training_batch.h"

namespace attune {

// A chunk's vectors, [chunk.num_sequences(), d] fp32, differentiable.
using EmbedChunk = std::function<at::Tensor(const PackedBatch&, const ForwardOptions&)>;

class Trainer {
 public:
  // All references outlive the trainer. The parameters, through which `embed` goes, are made
  // trainable.
  Trainer(EmbedChunk embed, ParameterStore& parameters, const Loss& loss, const BatchSource& source,
          const TrainConfig& config, std::uint64_t seed);
  // A whole encoder.
  Trainer(EmbeddingModel& model, const Loss& loss, const BatchSource& source,
          const TrainConfig& config, std::uint64_t seed);

  void add(Callback& callback) { callbacks_.push_back(&callback); }

  // Takes all steps from next_step() on; stops early, between two steps, when `stop_requested` says
  // so. A loss or gradient that is not finite is an Error{kDiverged} in its own step, before any
  // weight changes.
  void run(const std::function<bool()>& stop_requested = {});

  std::int64_t next_step() const { return next_step_; }  // 0-based
  std::int64_t total_steps() const { return source_.steps(); }
  AdamW& optimizer() { return optimizer_; }
  void resume_at(std::int64_t step) { next_step_ = step; }

 private:
  StepReport take_step(std::int64_t step);
  double accumulate(const StepPlan& plan, const ForwardOptions& options);
  at::Tensor forward_backward(const BatchPlan& plan, const ForwardOptions& options, double weight);

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
  std::int64_t next_step_ = 0,
               chunk_limit_ = 0;  // chunk_limit_: learned from running out of memory
};

}  // namespace attune
