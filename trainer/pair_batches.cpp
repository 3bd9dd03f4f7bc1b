#include "trainer/pair_batches.h"

#include <algorithm>

namespace attune {

PairBatches::PairBatches(const EmbeddingModel& model, TrainingRows rows, const TrainConfig& config,
                         std::uint64_t seed)
    : model_(model),
      rows_(std::move(rows)),
      steps_(sample_steps(rows_, config, seed)),
      chunk_tokens_(config.chunk_tokens) {}

StepPlan PairBatches::at(std::int64_t step) const {
  const SampledStep& chosen = steps_.at(static_cast<std::size_t>(step));
  const auto num_columns = static_cast<std::int64_t>(rows_.columns.size());
  PackedBatch packed;
  StepPlan plan;
  plan.batch = describe_rows(rows_, step, chosen.rows);
  for (std::int64_t c = 0; c < num_columns; ++c) {
    const Role role = c == 0 ? Role::kQuery : Role::kText;
    std::vector<std::string_view> texts;
    for (std::int64_t row : chosen.rows) texts.emplace_back(rows_.columns[c][row]);
    const TokenizedTexts tokenized = model_.tokenize(role, texts, /*threads=*/1);
    const int unpooled = model_.unpooled_tokens(role);
    for (std::size_t i = 0; i < chosen.rows.size(); ++i) {
      const auto ids = tokenized[static_cast<std::int64_t>(i)];
      plan.batch.sequence_of.push_back(packed.num_sequences());
      packed.add(ids.data(), static_cast<std::int64_t>(ids.size()),
                 (chosen.epoch * rows_.num_rows() + chosen.rows[i]) * num_columns + c,
                 std::min(unpooled, static_cast<int>(ids.size()) - 1));
    }
  }
  plan.chunks = split_by_tokens(packed, chunk_tokens_);
  plan.epoch = chosen.epochs_done;
  plan.ends_epoch = chosen.ends_epoch;
  return plan;
}

}  // namespace attune
