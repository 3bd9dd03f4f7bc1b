#include "trainer/pair_batches.h"

#include <algorithm>

#include "core/error.h"

namespace attune {

PairBatches::PairBatches(const EmbeddingModel& model, const TrainingRows& rows,
                         const TrainConfig& config, std::uint64_t seed)
    : document_id_(rows.document_id), chunk_tokens_(config.chunk_tokens) {
  const std::int64_t count = rows.num_rows();
  if (count == 0)
    throw_error(ErrorKind::kData, "no training pairs: ", rows.skipped_empty,
                " rows have an empty text, ", rows.skipped_unanswered,
                " queries have no relevant passage");
  for (std::size_t c = 0; c < rows.columns.size(); ++c) {
    const Role role = c == 0 ? Role::kQuery : Role::kText;
    const std::vector<std::string_view> texts(rows.columns[c].begin(), rows.columns[c].end());
    columns_.push_back(model.tokenize(role, texts));
    pool_from_.push_back(model.unpooled_tokens(role));
  }
  for (int epoch = 0; epoch < config.epochs; ++epoch) {
    Batches batches = config.sampler == "default"
                          ? default_batches(count, config.batch_size, seed, epoch)
                          : no_duplicates_batches(rows, config.batch_size, seed, epoch);
    const auto size = static_cast<double>(batches.size());
    for (std::size_t b = 0; b < batches.size(); ++b) {
      if (config.max_steps > 0 && steps() == config.max_steps) return;
      steps_.push_back({epoch, std::move(batches[b]), epoch + (static_cast<double>(b) + 1) / size,
                        b + 1 == batches.size()});
    }
  }
}

StepPlan PairBatches::at(std::int64_t step) const {
  const Step& chosen = steps_.at(static_cast<std::size_t>(step));
  const auto rows = static_cast<std::int64_t>(chosen.rows.size());
  const auto num_columns = static_cast<std::int64_t>(columns_.size());
  const std::int64_t total = columns_[0].num_texts();
  PackedBatch packed;
  StepPlan plan;
  for (std::int64_t c = 0; c < num_columns; ++c)
    for (std::int64_t row : chosen.rows) {
      const auto ids = columns_[c][row];
      plan.batch.sequence_of.push_back(packed.num_sequences());
      packed.add(ids.data(), static_cast<std::int64_t>(ids.size()),
                 (chosen.epoch * total + row) * num_columns + c,
                 std::min(pool_from_[c], static_cast<int>(ids.size()) - 1));
    }
  plan.batch.step = step;
  plan.batch.rows = static_cast<int>(rows);
  plan.batch.columns = static_cast<int>(num_columns);
  for (std::int64_t row : chosen.rows) plan.batch.document_id.push_back(document_id_[row]);
  plan.chunks = split_by_tokens(packed, chunk_tokens_);
  plan.epoch = chosen.epochs_done;
  plan.ends_epoch = chosen.ends_epoch;
  return plan;
}

}  // namespace attune
