// What the registry of jobs (core/job_registry.h) is told of a run in this process. The run does
// not depend on it: what the registry cannot do is a warning.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <attune/callback.h>

#include "core/job_registry.h"
#include "core/stop.h"
#include "pipeline/run_config.h"

namespace attune {

// Does `work`, a whole run or its training, as a job; a configuration that trains nothing is none.
// `work` takes what stops it and returns the metrics of the artifact, OUTPUT/artifact.
void as_job(const RunConfig& config, const StopRequested& stop,
            const std::function<Json(const StopRequested&)>& work);

// Whether `attune run` of it is no job: every stage is current, so that no model is made. A job
// that was submitted is one in any case.
bool is_nothing_to_do(const RunConfig& config);

// Of the finetuned model in OUTPUT/evaluation.json; {} where there is none.
Json evaluation_metrics(const RunConfig& config);

class RecordedJob : public Callback {
 public:
  // Begins a job, or takes over the one that ATTUNE_TAKE_JOB names, with which `attune jobs worker`
  // starts it; the variable is gone then, so that no process started from here has it.
  explicit RecordedJob(const RunConfig& config);
  RecordedJob(const RecordedJob&) = delete;
  RecordedJob& operator=(const RecordedJob&) = delete;

  // True once `also` is, or `attune jobs cancel` has asked.
  StopRequested stop(StopRequested also);

  // After one of these two nothing is told any more, whatever else the process trains.
  void succeeded(const std::string& artifact, const Json& metrics);
  // Cancelled when that was asked for, interrupted by signals, failed by anything else.
  void ended(const std::exception_ptr& error);

  void on_step(const StepReport& report) override;
  bool needs_weights(const StepReport&) const override { return false; }

 private:
  template <class Action>
  void tell(const Action& action);
  bool is_cancelled();

  std::unique_ptr<JobRegistry> registry_;  // null: the registry cannot be used
  std::string id_;
  bool cancelled_ = false;
  std::chrono::steady_clock::time_point told_, asked_;
};

}  // namespace attune
