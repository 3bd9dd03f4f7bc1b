#include "trainer/training_run.h"

#include <algorithm>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>

#include "core/error.h"
#include "core/log.h"
#include "models/device.h"

namespace attune {
namespace {

// More are no accident of single batches: the weights or the rate are at fault.
constexpr int kMaxSkipsInARow = 10, kMaxRollbacks = 3;

std::string join(const std::vector<std::string>& ids) {
  constexpr std::size_t kShown = 20;
  std::string text;
  for (std::size_t i = 0; i < std::min(ids.size(), kShown); ++i)
    text += (i > 0 ? ", " : "") + ids[i];
  return text + (ids.size() > kShown ? ", ..." : "");
}

}  // namespace

void TrainingRun::Totals::on_step(const StepReport& report) {
  if (report.skipped) return;
  loss = report.loss;
  pairs += report.pairs;
}

TrainingRun::TrainingRun(Trainer& trainer, const FinetuneEngine::Subject& subject, const Data& data,
                         const FinetuneOptions& options, const Fingerprint& configuration,
                         const std::vector<Callback*>& callers,
                         std::chrono::steady_clock::time_point start)
    : trainer_(trainer),
      subject_(subject),
      data_(data),
      options_(options),
      callers_(callers),
      start_(start),
      checkpoints_(options.output + "/checkpoints") {
  identity_.device = subject.device;
  identity_.values = subject.parameters.values();
  identity_.seed = options.seed;
  identity_.configuration = configuration;
  if (rolls_back()) rollback_points_ = RollbackPoints{options.train.checkpoint_steps};
  std::optional<Checkpoint> resumed;
  if (options.resume) resumed = load_newest_checkpoint(checkpoints_, identity_);
  const std::int64_t steps_kept = resumed ? resumed->next_step : 0;
  metrics_.emplace(options.output + "/metrics.jsonl", steps_kept,
                   resumed ? resumed->skipped : std::set<std::int64_t>());
  if (options.train.tensorboard) tensorboard_.emplace(options.output + "/tensorboard", steps_kept);
  if (options.show_progress)
    progress_.emplace(trainer.total_steps(), steps_kept, subject.parameters.values().device());
  add_callbacks();
  trainer.set_on_nonfinite([this](const StepReport& report) { return decide(report); });
  if (resumed) {
    seconds_before_ = resumed->seconds;
    rollbacks_ = resumed->rollbacks;
    for (const std::int64_t step : resumed->skipped) trainer.skip(step);
    restore(*resumed);
    log_info(str_cat("going on at step ", resumed->next_step + 1, " of ", trainer.total_steps()));
  } else if (rolls_back()) {
    save();  // the start, to go back to
  }
}

void TrainingRun::add_callbacks() {
  std::vector<Callback*> listeners = {&*metrics_};
  if (tensorboard_) listeners.push_back(&*tensorboard_);
  if (progress_) listeners.push_back(&*progress_);
  for (Callback* listener : listeners) trainer_.add(*listener);
  trainer_.add(totals_);
  for (Callback* caller : callers_) {
    caller->request_stop(Callback::Stop::kNo);  // of an earlier run
    listeners.push_back(caller);
  }
  if (data_.validation) {
    best_.emplace(subject_.embedding, subject_.parameters, *data_.validation, options_.evaluate_k,
                  options_.train.evaluate_steps, options_.train.patience, listeners);
    trainer_.add(*best_);
  }
  // After the evaluation, so that a checkpoint holds its result.
  periodic_.emplace(options_.train.checkpoint_steps, [this] { save(); });
  trainer_.add(*periodic_);
  for (Callback* caller : callers_) trainer_.add(*caller);
}

void TrainingRun::restore(const Checkpoint& checkpoint) {
  totals_.loss = checkpoint.last_loss;
  totals_.pairs = checkpoint.pairs;
  subject_.parameters.set_values(checkpoint.values);
  const at::NoGradGuard no_grad;
  trainer_.optimizer().first_moments().copy_(checkpoint.first_moments);
  trainer_.optimizer().second_moments().copy_(checkpoint.second_moments);
  trainer_.optimizer().set_steps_taken(checkpoint.optimizer_steps);
  trainer_.resume_at(checkpoint.next_step);
  trainer_.chunk_fit().set_limits(checkpoint.chunks);
  if (best_)
    best_->restore({checkpoint.best_step, checkpoint.best_metric, checkpoint.best_values,
                    checkpoint.evaluations_without_gain});
}

void TrainingRun::save() {
  if (!at::isfinite(subject_.parameters.values()).all().item<bool>())
    throw_error(ErrorKind::kDiverged, "after step ", trainer_.next_step(),
                " the weights hold NaN or infinity: nothing is saved; lower train.learning_rate");
  metrics_->sync();
  if (tensorboard_) tensorboard_->sync();
  Checkpoint checkpoint = identity_;
  checkpoint.next_step = trainer_.next_step();
  checkpoint.last_loss = totals_.loss;
  checkpoint.pairs = totals_.pairs;
  checkpoint.seconds = seconds();
  checkpoint.chunks = trainer_.chunk_fit().limits();
  checkpoint.values = subject_.parameters.values();
  checkpoint.first_moments = trainer_.optimizer().first_moments();
  checkpoint.second_moments = trainer_.optimizer().second_moments();
  checkpoint.optimizer_steps = trainer_.optimizer().steps_taken();
  checkpoint.skipped = trainer_.skipped();
  checkpoint.rollbacks = rollbacks_;
  if (best_) {
    checkpoint.best_step = best_->state().step;
    checkpoint.best_metric = best_->state().metric;
    checkpoint.best_values = best_->state().values;
    checkpoint.evaluations_without_gain = best_->state().evaluations_without_gain;
  }
  const std::string path =
      save_checkpoint(checkpoints_, checkpoint, options_.train.keep_checkpoints, rollback_points_);
  log_debug(str_cat("checkpoint of step ", checkpoint.next_step, ": ", path));
  for (Callback* caller : callers_) caller->on_save({checkpoint.next_step, path, false});
}

double TrainingRun::seconds() const {
  return seconds_before_ +
         std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

// Where steps were recorded: how much of the run that served.
void TrainingRun::tell_graphs() const {
  if (!trainer_.graphs()) return;
  const BatchGraphs::Counts& counts = trainer_.graphs()->counts();
  log_info(str_cat("CUDA graphs: ", counts.replayed, " of ", counts.batches, " batches replayed, ",
                   counts.recorded, " recordings, ",
                   100.0 * static_cast<double>(counts.padding) /
                       static_cast<double>(std::max<std::int64_t>(1, counts.tokens)),
                   " % padding"));
}

FinetuneResult TrainingRun::finish(const StopRequested& stop_requested) {
  FinetuneResult result;
  result.finished = trainer_.run(stop_requested) == Callback::Stop::kFinish;
  tell_graphs();
  if (trainer_.graphs()) result.graphs = trainer_.graphs()->counts();
  result.peak_memory = peak_memory_of(subject_.parameters.values().device());
  result.stopped_early = result.finished && trainer_.next_step() < trainer_.total_steps();
  result.steps = trainer_.next_step();
  result.skipped_empty = subject_.rows.skipped_empty;
  result.skipped_unanswered = subject_.rows.skipped_unanswered;
  result.skipped_steps = std::ssize(trainer_.skipped());
  result.rollbacks = rollbacks_;
  result.pairs = totals_.pairs;
  result.final_loss = totals_.loss;
  const bool has_best = best_ && best_->has_best();
  result.best_step = has_best ? best_->state().step : result.steps;
  result.best_metric = has_best ? best_->state().metric : 0;
  if (!result.finished) {
    save();
  } else {
    if (has_best) subject_.parameters.set_values(best_->state().values);
    check_embeds(subject_.embedding, subject_.rows.columns[0][0]);
  }
  result.seconds = seconds();
  return result;
}

std::int64_t TrainingRun::decide(const StepReport& report) {
  const std::string& policy = options_.train.on_nonfinite;
  if (policy == "rollback") return roll_back(report);
  const std::int64_t step = report.step - 1;
  if (policy == "raise") end_nonfinite(report);
  check_skips(report);
  trainer_.skip(step);
  tell_nonfinite(report, step + 1);
  return step + 1;
}

void TrainingRun::check_skips(const StepReport& report) {
  int in_a_row = 0;
  for (std::int64_t step = report.step - 2; trainer_.skipped().contains(step); --step) ++in_a_row;
  if (in_a_row >= kMaxSkipsInARow)
    end_nonfinite(report, str_cat("the ", in_a_row, " before it were skipped already; "));
}

// Retaken with equal batches, the steps before the bad one give equal numbers, so only it is left
// out. If one of them is already left out, single batches are not the cause: then everything since
// the checkpoint is left out.
std::int64_t TrainingRun::roll_back(const StepReport& report) {
  const std::int64_t bad = report.step - 1;
  if (rollbacks_ == kMaxRollbacks)
    end_nonfinite(report, str_cat("the run was rolled back ", rollbacks_, " times already; "));
  const std::optional<Checkpoint> good =
      load_newest_checkpoint(checkpoints_, identity_, rollback_points_);
  if (!good) end_nonfinite(report, "no good checkpoint is left to go back to; ");
  ++rollbacks_;
  const auto earlier = trainer_.skipped().lower_bound(good->next_step);
  const bool again = earlier != trainer_.skipped().end() && *earlier < bad;
  for (std::int64_t step = again ? good->next_step : bad; step <= bad; ++step) trainer_.skip(step);
  restore(*good);
  tell_nonfinite(report, good->next_step);
  return good->next_step;
}

NonfiniteReport TrainingRun::nonfinite_report(const StepReport& report,
                                              std::int64_t next_step) const {
  NonfiniteReport said{report.step, report.loss, report.grad_norm, {}, next_step};
  for (const std::int64_t row : trainer_.rows_of(report.step - 1))
    said.queries.push_back(data_.training.query_id(subject_.rows, row));
  return said;
}

// The file alone is told: a report says of it why there is no model.
void TrainingRun::end_nonfinite(const StepReport& report, const std::string& also) {
  metrics_->on_nonfinite(nonfinite_report(report, MetricsFile::kNoNextStep));
  metrics_->sync();
  throw_nonfinite(report, also);
}

void TrainingRun::tell_nonfinite(const StepReport& report, std::int64_t next) {
  const NonfiniteReport said = nonfinite_report(report, next + 1);
  log_warning(str_cat("step ", report.step, ": loss ", report.loss, ", gradient norm ",
                      report.grad_norm, ": ",
                      next < report.step ? str_cat("back to step ", next, ", then past it")
                                         : std::string("skipped"),
                      "; queries ", join(said.queries)));
  metrics_->on_nonfinite(said);
  if (tensorboard_) tensorboard_->on_nonfinite(said);
  for (Callback* caller : callers_) caller->on_nonfinite(said);
}

}  // namespace attune
