#include "trainer/sampled_steps.h"

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "data/samplers.h"

namespace attune {
namespace {

// The rows of one data set.
struct Part {
  std::string name;
  std::int64_t first = 0, last = 0;
  std::int64_t size() const { return last - first; }
};

std::vector<Part> parts_of(const TrainingRows& rows) {
  if (rows.source.empty()) return {{"the training rows", 0, rows.num_rows()}};
  std::vector<Part> parts;
  for (std::int64_t first = 0; first < rows.num_rows();) {
    const auto end =
        std::upper_bound(rows.source.begin() + first, rows.source.end(), rows.source[first]);
    const std::int64_t last = end - rows.source.begin();
    parts.push_back({rows.sources[rows.source[first]].name, first, last});
    first = last;
  }
  return parts;
}

// The batches of every epoch.
class Epochs {
 public:
  Epochs(const TrainingRows& rows, const TrainConfig& config, std::uint64_t seed,
         std::span<const std::int64_t> tokens)
      : rows_(rows), config_(config), seed_(seed), tokens_(tokens), parts_(parts_of(rows)) {
    if (config.parity == "llamaindex" && parts_.size() > 1)
      throw_error(ErrorKind::kConfig,
                  "train.parity llamaindex takes one data set: its batches would mix several");
    if (config.batch_tokens > 0) check_lengths();
    for (const Part& part : parts_)
      if (config.sampler == "group_by_label" && rows.num_labels(part.first) != 1)
        throw_error(ErrorKind::kData, part.name,
                    ": train.sampler group_by_label takes rows with one label each, these have ",
                    rows.num_labels(part.first));
  }

  Batches of(int epoch) const {
    const std::uint64_t seed = seed_ + static_cast<std::uint64_t>(epoch);
    if (config_.parity == "llamaindex")
      return sequential_batches(rows_.num_rows(), config_.batch_size);
    std::vector<std::unique_ptr<BatchSampler>> samplers;
    std::vector<std::int64_t> num_rows;
    for (const Part& part : parts_) {
      samplers.push_back(sampler_of(part, seed));
      num_rows.push_back(part.size());
    }
    if (samplers.size() == 1) return all_batches(*samplers[0], seed);
    return config_.multi_dataset == "round_robin" ? round_robin_batches(samplers, num_rows, seed)
                                                  : proportional_batches(samplers, num_rows, seed);
  }

 private:
  void check_lengths() const {
    ATTUNE_ASSERT(std::ssize(tokens_) == rows_.num_rows());
    const auto longest = std::max_element(tokens_.begin(), tokens_.end());
    if (*longest > config_.batch_tokens)
      throw_error(ErrorKind::kConfig, "train.batch_tokens ", config_.batch_tokens,
                  " is less than one row can have: row ", longest - tokens_.begin() + 1, " has ",
                  *longest,
                  " tokens in its columns together; give at least twice that, or lower "
                  "model.max_length");
  }

  std::unique_ptr<BatchSampler> sampler_of(const Part& part, std::uint64_t seed) const {
    if (config_.sampler == "group_by_label")
      return group_by_label_sampler(std::span(rows_.labels).subspan(part.first, part.size()),
                                    config_.batch_size, seed, part.name);
    BatchLimit limit{config_.batch_size};
    const bool no_duplicates = config_.sampler == "no_duplicates";
    if (config_.batch_tokens == 0)
      return no_duplicates ? no_duplicates_sampler(rows_, part.first, part.last, limit, seed)
                           : default_sampler(part.size(), config_.batch_size);
    limit.tokens = config_.batch_tokens;
    limit.lengths = tokens_.subspan(part.first, part.size());
    return fixed_sampler(
        no_duplicates
            ? all_batches(*no_duplicates_sampler(rows_, part.first, part.last, limit, seed), seed)
            : random_batches(part.size(), limit, seed));
  }

  const TrainingRows& rows_;
  const TrainConfig& config_;
  std::uint64_t seed_;
  std::span<const std::int64_t> tokens_;
  std::vector<Part> parts_;
};

void tell_of_accumulation(const TrainConfig& config) {
  log_warning(str_cat(
      "train.accumulate ", config.accumulate, ": a step averages the gradients of ",
      config.accumulate, " batches of at most ", config.batch_size,
      " rows. In-batch negatives come from a row's own batch alone, never from the other batches "
      "of the step: for more negatives in bounded memory raise train.batch_size and set "
      "train.chunk_tokens instead"));
}

void tell_of_token_limit(const TrainConfig& config, std::span<const SampledBatch> batches) {
  std::size_t least = batches[0].rows.size(), most = 0, sum = 0, single = 0;
  for (const SampledBatch& batch : batches) {
    least = std::min(least, batch.rows.size());
    most = std::max(most, batch.rows.size());
    sum += batch.rows.size();
    single += batch.rows.size() == 1 ? 1 : 0;
  }
  log_info(str_cat("train.batch_tokens ", config.batch_tokens, ": batches of ", least, " to ", most,
                   " rows, ", static_cast<double>(sum) / static_cast<double>(batches.size()),
                   " in the mean; a row's in-batch negatives vary with that, and ", single,
                   " batches hold one row alone"));
}

}  // namespace

SampledSteps::SampledSteps(const TrainingRows& rows, const TrainConfig& config, std::uint64_t seed,
                           std::span<const std::int64_t> tokens) {
  if (rows.num_rows() == 0)
    throw_error(ErrorKind::kData, "no training pairs: ", rows.skipped_empty,
                " rows have an empty text, ", rows.skipped_unanswered,
                " queries have no relevant passage");
  if (config.accumulate > 1) tell_of_accumulation(config);
  const Epochs epochs(rows, config, seed, tokens);
  const auto finished = [&] { return config.max_steps > 0 && steps() == config.max_steps; };
  for (int epoch = 0; epoch < config.epochs && !finished(); ++epoch) {
    Batches batches = epochs.of(epoch);
    const std::int64_t count = std::ssize(batches);
    for (std::int64_t b = 0; b < count && !finished(); ++b) {
      const bool ends_epoch = b + 1 == count;
      batches_.push_back({epoch, std::move(batches[b]),
                          epoch + static_cast<double>(b + 1) / static_cast<double>(count),
                          ends_epoch});
      if (ends_epoch || (b + 1) % config.accumulate == 0) first_.push_back(std::ssize(batches_));
    }
  }
  if (config.batch_tokens > 0) tell_of_token_limit(config, batches_);
}

StepPlan SampledSteps::plan(std::int64_t step,
                            const std::function<BatchPlan(const SampledBatch&)>& plan_batch) const {
  const std::span<const SampledBatch> batches = of(step);
  StepPlan plan;
  static_cast<BatchPlan&>(plan) = plan_batch(batches.front());
  for (const SampledBatch& batch : batches.subspan(1)) plan.more.push_back(plan_batch(batch));
  plan.epoch = batches.back().epochs_done;
  plan.ends_epoch = batches.back().ends_epoch;
  return plan;
}

bool SampledSteps::has_pairs() const {
  return std::any_of(batches_.begin(), batches_.end(),
                     [](const SampledBatch& batch) { return batch.rows.size() > 1; });
}

std::vector<std::int64_t> SampledSteps::rows_of(std::int64_t step) const {
  std::vector<std::int64_t> rows;
  for (const SampledBatch& batch : of(step))
    rows.insert(rows.end(), batch.rows.begin(), batch.rows.end());
  return rows;
}

}  // namespace attune
