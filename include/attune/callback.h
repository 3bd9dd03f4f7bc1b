// What happens beside the steps of a training: metrics files, evaluation and checkpoints are
// callbacks, and so is whatever a caller adds. They are called on the thread that trains, attune's
// own before the caller's, so that a checkpoint of the step is on disk when the caller hears of it.
// An exception ends the training and reaches who started it; what was saved stays, nothing is half
// written.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <attune/base_embedding.h>  // ATTUNE_PUBLIC

namespace attune {

// Steps count from 1 in all reports.
struct StepReport {
  std::int64_t step = 0, total_steps = 0;
  double epoch = 0;  // passes over the data done, 1.5 = one and a half
  double loss = 0, learning_rate = 0;
  double grad_norm = 0;  // before clipping
  double seconds = 0;
  std::int64_t pairs = 0, tokens = 0;  // of this step
  bool ends_epoch = false;
  bool skipped = false;  // train.on_nonfinite: no weight was changed; loss and norm mean nothing
};

struct NonfiniteReport {
  std::int64_t step = 0;
  double loss = 0, grad_norm = 0;    // one of them is NaN or infinite
  std::vector<std::string> queries;  // ids of the batch
  std::int64_t next_step = 0;        // step + 1, or an earlier one: rolled back
};

struct EvaluationReport {
  std::int64_t step = 0;
  std::vector<std::pair<std::string, double>> metrics;  // "ndcg@10" and so on, on validation
  bool is_best = false;
  double seconds = 0;
};

struct SaveReport {
  std::int64_t step = 0;
  std::string path;
  bool is_artifact = false;  // the finetuned model; otherwise a checkpoint
};

class ATTUNE_PUBLIC Callback {
 public:
  enum class Stop : std::uint8_t {
    kNo,
    kInterrupt,  // a checkpoint is saved; the run is unfinished and can be resumed
    kFinish,     // trained enough: the run ends as after its last step
  };

  virtual ~Callback() = default;
  virtual void on_step(const StepReport&) {}
  // Whether on_step() of this step reads or changes the weights, or may request a stop: it is then
  // called before the next step begins. Otherwise a GPU may be in the next step already, and is
  // kept busy. Of `step` all is known but loss, grad_norm, seconds and skipped.
  virtual bool needs_weights(const StepReport& /*step*/) const { return true; }
  virtual void on_nonfinite(const NonfiniteReport&) {}  // before on_step of a skipped step
  virtual void on_evaluate_begin() {}
  virtual void on_evaluate(const EvaluationReport&) {}
  virtual void on_save(const SaveReport&) {}

  // Ends the training before its next step; kNo takes it back.
  void request_stop(Stop stop) { stop_ = stop; }
  Stop requested_stop() const { return stop_; }

 private:
  Stop stop_ = Stop::kNo;
};

// Of every training that this process begins from now on; outlives them. For a program that links
// libattune and adds something of its own to `attune train`; who builds an engine adds to that one
// (trainer/finetune_engine.h).
ATTUNE_PUBLIC void add_callback(Callback& callback);

}  // namespace attune
