#include "trainer/callbacks.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iomanip>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

namespace attune {

namespace {

// Lines of `path` up to and with step `steps`; returns the path after rewriting it.
const std::string& keep_steps(const std::string& path, std::int64_t steps) {
  std::string kept;
  if (steps > 0 && std::filesystem::exists(path)) {
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
      const Json event =
          Json::parse(line, nullptr, /*allow_exceptions=*/false);  // the last may be cut off
      if (!event.is_object() || !event.contains("step") || !event["step"].is_number_integer())
        continue;
      if (event["step"].get<std::int64_t>() <= steps) kept += line + "\n";
    }
  }
  write_file_durably(path, kept);
  return path;
}

}  // namespace

MetricsFile::MetricsFile(const std::string& path, std::int64_t steps_kept)
    : file_(keep_steps(path, steps_kept)) {}

void MetricsFile::on_step(const StepReport& report) {
  file_.append_line(Json{
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

void MetricsFile::on_evaluate(const EvaluationReport& report) {
  Json metrics = Json::object();
  for (const std::string& name : report.evaluation->metrics.names)
    metrics[name] = report.evaluation->metrics.mean(name);
  file_.append_line(Json{
      {"event", "evaluate"},
      {"step", report.step},
      {"metrics", metrics},
      {"best", report.is_best},
      {"seconds",
       report.seconds}}.dump());
}

void ProgressLine::on_step(const StepReport& report) {
  ++shown_;
  const double weight = shown_ < 20 ? 1.0 / static_cast<double>(shown_) : 0.05;
  loss_ += weight * (report.loss - loss_);
  pairs_ += report.pairs;
  seconds_ += report.seconds;
  std::ostringstream detail;
  detail << std::fixed << std::setprecision(4) << "loss " << loss_ << std::setprecision(1) << ", "
         << static_cast<double>(pairs_) / seconds_ << " pairs/s, epoch " << std::setprecision(2)
         << report.epoch;
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
                     std::vector<Callback*> listeners)
    : embedding_(embedding),
      parameters_(parameters),
      validation_(validation),
      k_(std::move(k)),
      every_(every),
      listeners_(std::move(listeners)) {
  if (std::find(k_.begin(), k_.end(), 10) == k_.end()) k_.push_back(10);  // NDCG@10 decides
}

void BestModel::on_step(const StepReport& report) {
  const bool due = every_ > 0 && report.step % every_ == 0;
  if (!due && !report.ends_epoch && report.step != report.total_steps) return;
  check_embeds(embedding_, validation_.queries.text(0));
  for (Callback* listener : listeners_) listener->on_evaluate_begin();
  const auto start = std::chrono::steady_clock::now();
  const Evaluation evaluation = evaluate(embedding_, validation_, k_);
  const double metric = evaluation.metrics.mean("ndcg@10");
  EvaluationReport result{report.step, &evaluation, metric > best_metric_, 0};
  if (result.is_best)
    restore(report.step, metric, parameters_.values().to(at::kCPU, at::kFloat, false, true));
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (Callback* listener : listeners_) listener->on_evaluate(result);
}

void BestModel::restore(std::int64_t step, double metric, at::Tensor values) {
  best_step_ = step;
  best_metric_ = metric;
  best_values_ = std::move(values);
}

}  // namespace attune
