#include "trainer/training_estimate.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <ATen/ops/zeros.h>

#include "core/memory.h"
#include "models/device.h"
#include "models/encoder_embedding.h"
#include "trainer/checkpoint.h"
#include "trainer/guided_batches.h"
#include "trainer/losses/loss.h"
#include "trainer/pair_batches.h"
#include "trainer/trainer.h"

namespace attune {
namespace {

constexpr std::int64_t kCountedSteps = 100, kTimedTokens = 4096, kTimedSteps = 4;
constexpr std::size_t kSampledTexts = 64;

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct CountedSteps {
  double mean_tokens = 0;
  StepPlan largest;
};

CountedSteps count_tokens(const BatchSource& source, std::int64_t counted) {
  CountedSteps found;
  for (std::int64_t i = 0; i < counted; ++i) {
    StepPlan plan = source.at(i * source.steps() / counted);
    found.mean_tokens += static_cast<double>(tokens_of(plan)) / static_cast<double>(counted);
    if (i == 0 || tokens_of(plan) > tokens_of(found.largest)) found.largest = std::move(plan);
  }
  return found;
}

class TimedSteps : public Callback {
 public:
  void on_step(const StepReport& report) override {
    if (report.step == 2) seconds.clear(), tokens.clear();  // the first sets things up
    seconds.push_back(report.seconds);
    tokens.push_back(static_cast<double>(report.tokens));
  }
  std::vector<double> seconds, tokens;
};

struct StepTime {
  double per_token = 0, of_optimizer = 0;
};

StepTime time_steps(Trainer& trainer) {
  TimedSteps steps;
  trainer.add(steps);
  trainer.run();
  StepTime time;
  const auto start = Clock::now();
  trainer.optimizer().step(at::zeros({}), /*learning_rate=*/0, /*max_norm=*/1).wait();
  time.of_optimizer = seconds_since(start);
  time.per_token = std::max(0.0, median(steps.seconds) - time.of_optimizer) / median(steps.tokens);
  return time;
}

// Batches like the real ones, but few and small.
TrainConfig timed_config(TrainConfig config, double mean_tokens, bool is_chunked) {
  const double share = std::min(1.0, static_cast<double>(kTimedTokens) / mean_tokens);
  config.batch_size = std::max(2, static_cast<int>(config.batch_size * share));
  config.sampler = "default";
  config.batch_tokens = 0;
  config.accumulate = 1;
  config.chunk_tokens = is_chunked ? static_cast<int>(mean_tokens * share / 2) + 1 : 0;
  config.max_steps = kTimedSteps;
  return config;
}

std::vector<std::string_view> sample_of(const TextTable& texts) {
  std::vector<std::string_view> sample;
  const auto count = std::min(kSampledTexts, texts.texts().size());
  for (std::size_t i = 0; i < count; ++i)
    sample.push_back(texts.texts()[i * texts.texts().size() / count]);
  return sample;
}

// On CUDA that of `arenas` buffers of the parameters' size.
std::int64_t resident_on(const at::Device& device, const ParameterStore& parameters, int arenas) {
  if (device.is_cpu()) return resident_memory();
  return arenas * static_cast<std::int64_t>(parameters.values().nbytes());
}

std::int64_t vectors_bytes(const EmbeddingModel& model, const std::vector<RankedSet>& ranked) {
  std::int64_t texts = 0;
  for (const RankedSet& set : ranked)
    texts = std::max(texts, set.dataset->corpus.size() + set.dataset->queries.size());
  return texts * model.dimension() * 4;
}

}  // namespace

double embedding_seconds(const BaseEmbedding& embedding,
                         const EmbeddingQAFinetuneDataset& dataset) {
  double seconds = 0;
  for (const Role role : {Role::kText, Role::kQuery}) {
    const TextTable& texts = role == Role::kText ? dataset.corpus : dataset.queries;
    const std::vector<std::string_view> sample = sample_of(texts);
    if (sample.empty()) continue;
    const auto start = Clock::now();
    if (role == Role::kText)
      embedding.get_text_embedding_batch(sample);
    else
      embedding.get_query_embedding_batch(sample);
    seconds += seconds_since(start) * static_cast<double>(texts.size()) /
               static_cast<double>(sample.size());
  }
  return seconds;
}

TrainingEstimate estimate_training(const std::shared_ptr<EmbeddingModel>& model,
                                   const TrainingRows& rows, const TrainConfig& config,
                                   std::uint64_t seed, const std::vector<std::string>& prompts,
                                   const std::shared_ptr<const BaseEmbedding>& guide,
                                   const std::vector<RankedSet>& ranked) {
  TrainingEstimate estimate;
  ParameterStore& parameters = model->parameters();
  parameters.enable_training();
  estimate.available_memory =
      available_memory_of(model->device()) + resident_on(model->device(), parameters, 2);

  const PairBatches batches(*model, rows, config, seed, prompts);
  estimate.pairs = rows.num_rows();
  estimate.steps = batches.steps();
  estimate.counted_steps = std::min(kCountedSteps, batches.steps());
  CountedSteps counted = count_tokens(batches, estimate.counted_steps);
  StepPlan& largest = counted.largest;
  estimate.largest_step = tokens_of(largest);
  estimate.tokens_per_epoch = counted.mean_tokens * static_cast<double>(estimate.steps) /
                              batches.at(estimate.steps - 1).epoch;

  ChunkFit fit(config.chunk_tokens);
  const auto embed = [&](const PackedTokens& tokens, const ForwardOptions& options) {
    return model->embed(tokens, options);
  };
  const std::unique_ptr<Loss> loss = make_loss(config.loss);
  check_rows(*loss, rows, model->dimension());
  const double of_loss = loss->bytes(largest.batch);
  fit.apply(largest, embed, training_options(config, seed, 0), parameters, of_loss);
  const std::int64_t chunk = largest_chunk(largest).num_tokens();
  const bool is_chunked = largest.chunks.size() > 1;
  estimate.chunk_tokens = is_chunked ? chunk : 0;
  estimate.bytes_per_token = fit.memory().bytes_per_token;

  const TrainConfig timed = timed_config(config, counted.mean_tokens, is_chunked);
  const PairBatches timed_batches(*model, rows, timed, seed, prompts);
  const GuidedBatches guided(timed_batches, rows, guide);
  Trainer trainer(*model, *loss, guided, timed, seed);
  const bool chooses_best =
      std::any_of(ranked.begin(), ranked.end(), [](const RankedSet& s) { return s.chooses_best; });
  estimate.model_bytes = (parameters.count() + parameters.frozen_count()) * 4;
  const double heap_per_tensor = model->device().is_cpu() ? kHeapPerTensor : 1;
  estimate.memory = resident_on(model->device(), parameters, 4) + vectors_bytes(*model, ranked) +
                    (chooses_best ? parameters.count() * 4 : 0) +
                    std::llround(heap_per_tensor * fit.memory().of_tokens(chunk) + of_loss);
  estimate.checkpoint_bytes = checkpoint_disk_bytes(
      parameters.count(), config.checkpoint_steps > 0 ? config.keep_checkpoints : 0, chooses_best);

  const StepTime time = time_steps(trainer);
  estimate.training_seconds = static_cast<double>(estimate.steps) *
                              (counted.mean_tokens * time.per_token + time.of_optimizer);
  const EncoderEmbedding embedding(model, "the model in training");
  for (const RankedSet& set : ranked)
    estimate.evaluation_seconds += set.times * embedding_seconds(embedding, *set.dataset);
  return estimate;
}

}  // namespace attune
