#include "trainer/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <c10/core/DeviceGuard.h>

#include "core/error.h"
#include "core/log.h"
#include "models/device.h"
#include "models/device_kernels.h"
#include "models/encoder_embedding.h"

namespace attune {
namespace {

constexpr int kMaxMemoryRetries = 8;

ParameterStore& trainable(ParameterStore& parameters) {
  parameters.enable_training();
  return parameters;
}

}  // namespace

ForwardOptions training_options(const TrainConfig& config, std::uint64_t seed, std::int64_t step) {
  ForwardOptions options;
  options.compute = parse_precision(config.precision);
  options.training = true;
  options.dropout = config.dropout_probability();
  options.seed = seed;
  options.step = step;
  options.recompute_layers = config.recompute;
  return options;
}

Trainer::Trainer(EmbeddingModel& model, const Loss& loss, const BatchSource& source,
                 const TrainConfig& config, std::uint64_t seed)
    : Trainer([&model](const PackedTokens& tokens,
                       const ForwardOptions& options) { return model.embed(tokens, options); },
              model.parameters(), loss, source, config, seed) {
  if (has_device_kernels(parameters_.values()) && config.precision == "bf16")
    model.enable_working_copy();
  // A StaticEmbedding reads ids on the host, and has little to launch.
  if (model.num_layers() == 0) graphs_.reset();
}

Trainer::Trainer(EmbedChunk embed, ParameterStore& parameters, const Loss& loss,
                 const BatchSource& source, const TrainConfig& config, std::uint64_t seed)
    : embed_(std::move(embed)),
      parameters_(parameters),
      loss_(loss),
      source_(source),
      prefetcher_(source),
      config_(config),
      seed_(seed),
      optimizer_(trainable(parameters), config.weight_decay),
      chunk_fit_(config.chunk_tokens) {
  schedule_.kind = config.schedule;
  schedule_.total_steps = source.steps();
  // transformers' get_warmup_steps rounds up, LlamaIndex's engine down.
  const double warmup = static_cast<double>(schedule_.total_steps) * config.warmup_ratio;
  schedule_.warmup_steps = static_cast<std::int64_t>(
      config.parity == "llamaindex" ? std::floor(warmup) : std::ceil(warmup));
  const at::Tensor& values = parameters.values();
  const bool on_device = has_device_kernels(values);
  // After a step that is not finite the others must not know of it but by its having ended the run.
  runs_ahead_ = on_device && config.on_nonfinite == "raise";
  if (on_device && !config.recompute && config.accumulate == 1 && loss.reads_places_alone())
    graphs_.emplace(values.device(), [this](const PackedTokens& tokens, const TrainingBatch& batch,
                                            const std::uint64_t* step_key) {
      ForwardOptions options = training_options(config_, seed_, 0);
      options.stored_step_key = step_key;
      return backward_of_one_chunk(tokens, batch, options, 1);
    });
}

// Adds the gradient of the mean loss of the step's batches. Returns that loss.
at::Tensor Trainer::accumulate(const StepPlan& plan, const ForwardOptions& options) {
  const double weight = 1.0 / static_cast<double>(1 + plan.more.size());
  at::Tensor loss;
  for_each_batch(plan, [&](const BatchPlan& batch) {
    const at::Tensor part = forward_backward(batch, options, weight).to(at::kDouble) * weight;
    loss = loss.defined() ? loss + part : part;
  });
  return loss;
}

// Adds `weight` times the gradient. Returns the loss.
at::Tensor Trainer::backward_of_one_chunk(const PackedTokens& tokens, const TrainingBatch& batch,
                                          const ForwardOptions& options, double weight) {
  const at::Tensor vectors = embed_(tokens, options);
  const LossOutput loss = loss_.evaluate(vectors.detach(), batch);
  vectors.backward(weight == 1 ? loss.gradient : loss.gradient * weight);
  return loss.value;
}

// The same for a batch of any number of chunks.
at::Tensor Trainer::forward_backward(const BatchPlan& plan, const ForwardOptions& options,
                                     double weight) {
  const at::Device device = parameters_.values().device();
  if (plan.chunks.size() == 1) {
    const PackedBatch& chunk = plan.chunks[0];
    return graphs_ && chunk.num_tokens() <= BatchGraphs::kMostTokens
               ? graphs_->run(chunk, plan.batch, dropout_step_key(options.seed, options.step))
               : backward_of_one_chunk(to_device(chunk, device), plan.batch, options, weight);
  }
  std::vector<at::Tensor> parts;
  {
    const at::NoGradGuard no_grad;
    for (const PackedBatch& chunk : plan.chunks)
      parts.push_back(embed_(to_device(chunk, device), options));
  }
  const LossOutput loss = loss_.evaluate(at::cat(parts), plan.batch);
  const at::Tensor gradient = weight == 1 ? loss.gradient : loss.gradient * weight;
  std::int64_t first = 0;
  for (const PackedBatch& chunk : plan.chunks) {
    embed_(to_device(chunk, device), options)
        .backward(gradient.narrow(0, first, chunk.num_sequences()));
    first += chunk.num_sequences();
  }
  return loss.value;
}

StepReport Trainer::planned(const StepPlan& plan, std::int64_t step) const {
  StepReport report;
  report.step = step + 1;
  report.total_steps = source_.steps();
  report.learning_rate = config_.learning_rate * schedule_.factor(step);
  report.epoch = plan.epoch;
  report.ends_epoch = plan.ends_epoch;
  return report;
}

Trainer::Flight Trainer::begin(std::int64_t step) {
  const c10::DeviceGuard on_device(parameters_.values().device());
  const auto begun = std::chrono::steady_clock::now();
  StepPlan plan = prefetcher_.at(step);
  StepReport report = planned(plan, step);
  if (skipped_.contains(step)) {
    report.skipped = true;
    return {report, StepOutcome(StepNumbers{}), begun};
  }
  const ForwardOptions options = training_options(config_, seed_, step);
  chunk_fit_.apply(plan, embed_, options, parameters_, loss_.bytes(plan.batch));
  at::Tensor loss;
  for (int attempt = 0;; ++attempt) {
    try {
      loss = accumulate(plan, options);
      break;
    } catch (const std::exception& error) {
      if (!is_out_of_memory(error)) throw;
      parameters_.zero_gradients();
      if (graphs_) graphs_->clear();
      if (attempt == kMaxMemoryRetries || !chunk_fit_.shrink(plan))
        throw_error(ErrorKind::kResources, "step ", step + 1,
                    ": out of memory with chunks of at most ", chunk_fit_.limits().chunk,
                    " tokens; lower model.max_length, or set train.recompute: true");
      log_warning(str_cat("step ", step + 1, ": out of memory; going on with chunks of ",
                          chunk_fit_.limits().chunk,
                          " tokens (train.chunk_tokens), the batch is unchanged"));
    }
  }
  for_each_batch(plan, [&](const BatchPlan& batch) { report.pairs += batch.batch.rows; });
  report.tokens = tokens_of(plan);
  return {report, optimizer_.step(loss, report.learning_rate, config_.max_grad_norm), begun};
}

bool Trainer::settle(Flight flight) {
  StepReport& report = flight.report;
  const bool known = report.skipped;
  const StepNumbers& numbers = flight.outcome.wait();
  report.loss = numbers.loss;
  report.grad_norm = numbers.grad_norm;
  report.skipped = known || !numbers.finite();
  if (report.skipped && !known && has_device_kernels(parameters_.values())) optimizer_.take_back();
  const auto now = std::chrono::steady_clock::now();
  report.seconds = std::chrono::duration<double>(now - std::max(flight.begun, settled_)).count();
  settled_ = now;
  if (report.skipped && !known) {
    if (!on_nonfinite_) throw_nonfinite(report);
    const std::int64_t next = on_nonfinite_(report);
    if (next < report.step) {
      next_step_ = next;
      return false;
    }
  }
  for (Callback* callback : callbacks_) callback->on_step(report);
  return true;
}

bool Trainer::needs_weights(const StepReport& step) const {
  return !runs_ahead_ || std::any_of(callbacks_.begin(), callbacks_.end(),
                                     [&](const Callback* one) { return one->needs_weights(step); });
}

Callback::Stop Trainer::requested_stop() const {
  Callback::Stop stop = Callback::Stop::kNo;
  for (const Callback* callback : callbacks_) stop = std::max(stop, callback->requested_stop());
  return stop;
}

Callback::Stop Trainer::run(const StopRequested& stop_requested) {
  std::optional<Flight> last;  // whose numbers are not read yet
  const auto settle_last = [&] { return !last || settle(*std::exchange(last, std::nullopt)); };
  while (last || next_step_ < source_.steps()) {
    if (last && (next_step_ == source_.steps() || needs_weights(last->report))) {
      settle_last();
      continue;
    }
    const bool interrupted = stop_requested && stop_requested();
    const Callback::Stop stop = interrupted ? Callback::Stop::kInterrupt : requested_stop();
    if (stop != Callback::Stop::kNo) {
      settle_last();
      return stop;
    }
    Flight begun = begin(next_step_++);
    if (settle_last()) last = std::move(begun);  // else what has begun is of no use
  }
  return Callback::Stop::kFinish;
}

void throw_nonfinite(const StepReport& report, const std::string& also) {
  throw_error(ErrorKind::kDiverged, "step ", report.step, ": loss ", report.loss,
              ", gradient norm ", report.grad_norm, " at learning rate ", report.learning_rate,
              ": not finite. This step changed no weight; ", also,
              "lower train.learning_rate or look at the rows of this batch");
}

}  // namespace attune
