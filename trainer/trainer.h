// The training loop. One step:
//   embed the chunks -> loss and gradient on the vectors -> backward through the chunks -> clip ->
//   AdamW
// With one chunk the graph is kept from the first forward; with several, each chunk is embedded
// without a graph first and again with one for its backward (GradCache, Gao et al. 2021): same
// numbers, bounded memory. What would not fit is chunked (trainer/chunk_fit.h), and running out of
// memory all the same halves the chunks and repeats the step; the batch is never changed.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "models/embedding_model.h"
#include "trainer/adamw.h"
#include "trainer/batch_prefetcher.h"
#include "trainer/callback.h"
#include "trainer/chunk_fit.h"
#include "trainer/losses/loss.h"
#include "trainer/schedule.h"
#include "trainer/train_config.h"
#include "trainer/training_batch.h"

namespace attune {

// How a step's forwards are done.
ForwardOptions training_options(const TrainConfig& config, std::uint64_t seed, std::int64_t step);

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
  ChunkFit& chunk_fit() { return chunk_fit_; }

 private:
  StepReport take_step(std::int64_t step);
  at::Tensor forward_backward(const StepPlan& plan, const ForwardOptions& options);

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
  ChunkFit chunk_fit_;
  std::int64_t next_step_ = 0;
};

}  // namespace attune
