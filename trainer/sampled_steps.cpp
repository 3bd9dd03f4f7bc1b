#include "trainer/sampled_steps.h"

#include "core/error.h"
#include "data/samplers.h"

namespace attune {
namespace {

Batches epoch_batches(const TrainingRows& rows, const TrainConfig& config, std::uint64_t seed,
                      int epoch) {
  if (config.parity == "llamaindex") return sequential_batches(rows.num_rows(), config.batch_size);
  if (config.sampler == "default")
    return default_batches(rows.num_rows(), config.batch_size, seed, epoch);
  return no_duplicates_batches(rows, config.batch_size, seed, epoch);
}

}  // namespace

std::vector<SampledStep> sample_steps(const TrainingRows& rows, const TrainConfig& config,
                                      std::uint64_t seed) {
  if (rows.num_rows() == 0)
    throw_error(ErrorKind::kData, "no training pairs: ", rows.skipped_empty,
                " rows have an empty text, ", rows.skipped_unanswered,
                " queries have no relevant passage");
  std::vector<SampledStep> steps;
  for (int epoch = 0; epoch < config.epochs; ++epoch) {
    Batches batches = epoch_batches(rows, config, seed, epoch);
    const auto size = static_cast<double>(batches.size());
    for (std::size_t b = 0; b < batches.size(); ++b) {
      if (config.max_steps > 0 && std::ssize(steps) == config.max_steps) return steps;
      steps.push_back({epoch, std::move(batches[b]), epoch + (static_cast<double>(b) + 1) / size,
                       b + 1 == batches.size()});
    }
  }
  return steps;
}

std::vector<std::int64_t> query_rows(const TrainingRows& rows,
                                     const std::vector<SampledStep>& steps, std::int64_t step) {
  std::vector<std::int64_t> queries;
  for (const std::int64_t row : steps.at(static_cast<std::size_t>(step)).rows)
    if (!rows.query_id.empty()) queries.push_back(rows.query_id[row]);
  return queries;
}

}  // namespace attune
