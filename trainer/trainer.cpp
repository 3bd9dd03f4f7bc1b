#include "trainer/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include "core/error.h"
#include "core/log.h"
#include "models/device.h"
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
    : Trainer(
          [&model](const PackedBatch& chunk, const ForwardOptions& options) {
            return model.embed(to_device(chunk, model.device()), options);
          },
          model.parameters(), loss, source, config, seed) {}

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
}

// Adds the gradient of the mean loss of the step's batches. Returns that loss.
double Trainer::accumulate(const StepPlan& plan, const ForwardOptions& options) {
  const double weight = 1.0 / static_cast<double>(1 + plan.more.size());
  at::Tensor loss;  // read once a step, after all batches are under way
  for_each_batch(plan, [&](const BatchPlan& batch) {
    const at::Tensor part = forward_backward(batch, options, weight).to(at::kDouble) * weight;
    loss = loss.defined() ? loss + part : part;
  });
  return loss.item<double>();
}

// Adds `weight` times the gradient. Returns the loss.
at::Tensor Trainer::forward_backward(const BatchPlan& plan, const ForwardOptions& options,
                                     double weight) {
  const auto embed = [&](const PackedBatch& chunk) { return embed_(chunk, options); };
  if (plan.chunks.size() == 1) {
    const at::Tensor vectors = embed(plan.chunks[0]);
    const LossOutput loss = loss_.evaluate(vectors.detach(), plan.batch);
    vectors.backward(weight == 1 ? loss.gradient : loss.gradient * weight);
    return loss.value;
  }
  std::vector<at::Tensor> parts;
  {
    const at::NoGradGuard no_grad;
    for (const PackedBatch& chunk : plan.chunks) parts.push_back(embed(chunk));
  }
  const LossOutput loss = loss_.evaluate(at::cat(parts), plan.batch);
  const at::Tensor gradient = weight == 1 ? loss.gradient : loss.gradient * weight;
  std::int64_t first = 0;
  for (const PackedBatch& chunk : plan.chunks) {
    embed(chunk).backward(gradient.narrow(0, first, chunk.num_sequences()));
    first += chunk.num_sequences();
  }
  return loss.value;
}

StepReport Trainer::take_step(std::int64_t step) {
  const auto start = std::chrono::steady_clock::now();
  StepPlan plan = prefetcher_.at(step);
  const ForwardOptions options = training_options(config_, seed_, step);
  chunk_fit_.apply(plan, embed_, options, parameters_);

  StepReport report;
  for (int attempt = 0;; ++attempt) {
    try {
      report.loss = accumulate(plan, options);
      break;
    } catch (const std::exception& error) {
      if (!is_out_of_memory(error)) throw;
      parameters_.zero_gradients();
      if (attempt == kMaxMemoryRetries || !chunk_fit_.shrink(plan))
        throw_error(ErrorKind::kResources, "step ", step + 1,
                    ": out of memory with chunks of at most ", chunk_fit_.limits().chunk,
                    " tokens; lower model.max_length, or set train.recompute: true");
      log_warning(str_cat("step ", step + 1, ": out of memory; going on with chunks of ",
                          chunk_fit_.limits().chunk,
                          " tokens (train.chunk_tokens), the batch is unchanged"));
    }
  }
  report.step = step + 1;
  report.total_steps = source_.steps();
  report.learning_rate = config_.learning_rate * schedule_.factor(step);
  report.grad_norm = optimizer_.gradient_norm();
  report.skipped = !std::isfinite(report.loss) || !std::isfinite(report.grad_norm);
  if (report.skipped)
    parameters_.zero_gradients();
  else
    optimizer_.step(report.learning_rate, clip_factor(report.grad_norm, config_.max_grad_norm));
  for_each_batch(plan, [&](const BatchPlan& batch) { report.pairs += batch.batch.rows; });
  report.tokens = tokens_of(plan);
  report.epoch = plan.epoch;
  report.ends_epoch = plan.ends_epoch;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

// What the schedule and the callbacks know of a step that is not taken.
StepReport Trainer::pass_over(std::int64_t step) {
  const StepPlan plan = prefetcher_.at(step);
  StepReport report;
  report.step = step + 1;
  report.total_steps = source_.steps();
  report.learning_rate = config_.learning_rate * schedule_.factor(step);
  report.epoch = plan.epoch;
  report.ends_epoch = plan.ends_epoch;
  report.skipped = true;
  return report;
}

Callback::Stop Trainer::requested_stop() const {
  Callback::Stop stop = Callback::Stop::kNo;
  for (const Callback* callback : callbacks_) stop = std::max(stop, callback->requested_stop());
  return stop;
}

Callback::Stop Trainer::run(const std::function<bool()>& stop_requested) {
  while (next_step_ < source_.steps()) {
    if (stop_requested && stop_requested()) return Callback::Stop::kInterrupt;
    if (const Callback::Stop stop = requested_stop(); stop != Callback::Stop::kNo) return stop;
    const bool known = skipped_.contains(next_step_);
    const StepReport report = known ? pass_over(next_step_) : take_step(next_step_);
    if (report.skipped && !known) {
      if (!on_nonfinite_) throw_nonfinite(report);
      const std::int64_t next = on_nonfinite_(report);
      if (next <= next_step_) {
        next_step_ = next;
        continue;
      }
    }
    ++next_step_;
    for (Callback* callback : callbacks_) callback->on_step(report);
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
