#include "trainer/callbacks.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iomanip>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "models/device.h"
#include "retrieval/evaluation.h"
#include "trainer/metrics_lines.h"

namespace attune {

namespace {

// JSON has no number for it.
std::string in_words(double value) { return std::isnan(value) ? "nan" : str_cat(value); }

}  // namespace

MetricsFile::MetricsFile(std::string path, std::int64_t steps_kept,
                         const std::set<std::int64_t>& skipped)
    : path_(std::move(path)) {
  keep_steps(steps_kept, [&](std::int64_t step) { return skipped.contains(step); });
}

void MetricsFile::keep_steps(std::int64_t steps,
                             const std::function<bool(std::int64_t)>& is_skipped) {
  file_.reset();
  const std::string before = file_exists(path_) ? read_file(path_) : "";
  write_file_durably(path_, kept_metric_lines(before, steps, is_skipped));
  file_.emplace(path_);
}

void MetricsFile::on_step(const StepReport& report) {
  if (report.skipped) {
    file_->append_line(
        Json{{"event", "skipped"}, {"step", report.step}, {"epoch", report.epoch}}.dump());
    return;
  }
  file_->append_line(Json{
      {"event", "step"},
      {"step", report.step},
      {"epoch", report.epoch},
      {"loss", report.loss},
      {"learning_rate", report.learning_rate},
      {"grad_norm", report.grad_norm},
      {"pairs", report.pairs},
      {"tokens", report.tokens},
      {"seconds",
       report.seconds}}.dump());
}

void MetricsFile::on_nonfinite(const NonfiniteReport& report) {
  const bool ends = report.next_step == kNoNextStep;
  const bool rolled_back = !ends && report.next_step <= report.step;
  if (rolled_back) keep_steps(report.next_step - 1, [](std::int64_t) { return true; });
  file_->append_line(Json{
      {"event", "nonfinite"},
      {"step", report.step},
      {"loss", in_words(report.loss)},
      {"grad_norm", in_words(report.grad_norm)},
      {"action", ends          ? "raise"
                 : rolled_back ? "rollback"
                               : "skip"},
      {"next_step", ends ? Json() : Json(report.next_step)},
      {"queries",
       report.queries}}.dump());
}

void MetricsFile::on_evaluate(const EvaluationReport& report) {
  Json metrics = Json::object();
  for (const auto& [name, value] : report.metrics) metrics[name] = value;
  file_->append_line(Json{
      {"event", "evaluate"},
      {"step", report.step},
      {"metrics", metrics},
      {"best", report.is_best},
      {"seconds",
       report.seconds}}.dump());
}

void ProgressLine::on_step(const StepReport& report) {
  if (report.skipped) return;
  ++steps_;
  const double weight = steps_ < 20 ? 1.0 / static_cast<double>(steps_) : 0.05;
  const auto follow = [&](double& mean, double value) { mean += weight * (value - mean); };
  follow(loss_, report.loss);
  follow(seconds_, report.seconds);
  follow(pairs_, static_cast<double>(report.pairs));
  follow(tokens_, static_cast<double>(report.tokens));
  if (!progress_.is_due()) return progress_.update(report.step);
  const std::int64_t memory = device_.is_cuda() ? peak_memory_of(device_) : resident_memory();
  std::ostringstream detail;
  detail << std::fixed << std::setprecision(4) << "loss " << loss_ << std::defaultfloat
         << std::setprecision(3) << ", rate " << report.learning_rate << std::fixed
         << std::setprecision(1) << ", " << pairs_ / seconds_ << " pairs/s";
  if (report.tokens > 0)
    detail << ", " << std::setprecision(0) << tokens_ / seconds_ << " tokens/s";
  detail << ", epoch " << std::setprecision(2) << report.epoch << ", " << memory_text(memory);
  progress_.update(report.step, detail.str());
}

void check_embeds(const BaseEmbedding& embedding, std::string_view query) {
  std::string reason;
  try {
    const std::vector<float> vector = embedding.get_query_embedding(query);
    if (std::all_of(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); })) return;
    reason = "the model in training: an embedding holds NaN or infinity";
  } catch (const Error& error) {
    reason = error.what();
  }
  throw_error(ErrorKind::kDiverged, reason, "; lower train.learning_rate");
}

BestModel::BestModel(const BaseEmbedding& embedding, const ParameterStore& parameters,
                     const EmbeddingQAFinetuneDataset& validation, std::vector<int> k, int every,
                     int patience, std::vector<Callback*> listeners)
    : embedding_(embedding),
      parameters_(parameters),
      validation_(validation),
      k_(std::move(k)),
      every_(every),
      patience_(patience),
      listeners_(std::move(listeners)) {
  if (std::find(k_.begin(), k_.end(), 10) == k_.end()) k_.push_back(10);  // NDCG@10 decides
}

bool BestModel::needs_weights(const StepReport& report) const {
  const bool due = every_ > 0 && report.step % every_ == 0;
  return due || report.ends_epoch || report.step == report.total_steps;
}

void BestModel::on_step(const StepReport& report) {
  if (!needs_weights(report)) return;
  check_embeds(embedding_, validation_.queries.text(0));
  for (Callback* listener : listeners_) listener->on_evaluate_begin();
  const auto start = std::chrono::steady_clock::now();
  const Evaluation evaluation = evaluate(embedding_, validation_, k_);
  EvaluationReport result{report.step, {}, false, 0};
  for (const std::string& name : evaluation.metrics.names)
    result.metrics.emplace_back(name, evaluation.metrics.mean(name));
  const double metric = evaluation.metrics.mean("ndcg@10");
  result.is_best = metric > state_.metric;
  State next = state_;
  ++next.evaluations_without_gain;
  if (result.is_best)
    next = {report.step, metric, parameters_.values().to(at::kCPU, at::kFloat, false, true), 0};
  restore(std::move(next));
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (Callback* listener : listeners_) listener->on_evaluate(result);
}

void BestModel::restore(State state) {
  state_ = std::move(state);
  const bool enough = patience_ > 0 && state_.evaluations_without_gain >= patience_;
  request_stop(enough ? Stop::kFinish : Stop::kNo);
}

}  // namespace attune
