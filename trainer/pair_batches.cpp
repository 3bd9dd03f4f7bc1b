#include "trainer/pair_batches.h"

#include <algorithm>

#include "core/error.h"

namespace attune {
namespace {

std::vector<std::string> column_prompts(const EmbeddingModel& model, const TrainingRows& rows,
                                        std::vector<std::string> given) {
  const std::size_t columns = rows.columns.size();
  if (given.empty()) {
    given.assign(columns, model.prompt(Role::kText));
    if (columns > 0) given[0] = model.prompt(Role::kQuery);
  }
  if (columns > 0 && given.size() != columns)
    throw_error(ErrorKind::kConfig, "model.prompts.columns names ", given.size(),
                " prompts, the training rows have ", columns,
                " columns: give one for each, \"\" for none");
  return given;
}

// [rows] tokens of all columns together, prompts and special tokens included: what a step embeds.
// The ids are not kept: they would take the memory of the whole corpus.
std::vector<std::int64_t> count_tokens(const ColumnTokens& tokens, const TrainingRows& rows) {
  constexpr std::int64_t kRowsAtATime = 4096;
  std::vector<std::int64_t> counts(rows.num_rows());
  for (std::int64_t first = 0; first < rows.num_rows(); first += kRowsAtATime) {
    const std::int64_t last = std::min(first + kRowsAtATime, rows.num_rows());
    for (std::int64_t c = 0; c < std::ssize(rows.columns); ++c) {
      std::vector<std::int64_t> chosen;
      for (std::int64_t row = first; row < last; ++row)
        if (c < rows.num_columns(row)) chosen.push_back(row);
      const TokenizedTexts tokenized = tokens.of(c, chosen, /*threads=*/0);
      for (std::size_t i = 0; i < chosen.size(); ++i)
        counts[chosen[i]] += std::ssize(tokenized[static_cast<std::int64_t>(i)]);
    }
  }
  return counts;
}

SampledSteps sample(const ColumnTokens& tokens, const TrainingRows& rows, const TrainConfig& config,
                    std::uint64_t seed) {
  std::vector<std::int64_t> counts;
  if (config.batch_tokens > 0) counts = count_tokens(tokens, rows);
  return {rows, config, seed, counts};
}

}  // namespace

PairBatches::PairBatches(const EmbeddingModel& model, TrainingRows rows, const TrainConfig& config,
                         std::uint64_t seed, std::vector<std::string> prompts)
    : model_(model),
      rows_(std::move(rows)),
      prompts_(column_prompts(model, rows_, std::move(prompts))),
      tokens_(model, rows_, prompts_, config.token_cache),
      steps_(sample(tokens_, rows_, config, seed)),
      chunk_tokens_(config.chunk_tokens) {}

StepPlan PairBatches::at(std::int64_t step) const {
  return steps_.plan(step, [&](const SampledBatch& chosen) { return plan_batch(step, chosen); });
}

BatchPlan PairBatches::plan_batch(std::int64_t step, const SampledBatch& chosen) const {
  const auto all_columns = static_cast<std::int64_t>(rows_.columns.size());
  const std::int64_t num_columns = rows_.num_columns(chosen.rows[0]);
  PackedBatch packed;
  BatchPlan plan;
  plan.batch = describe_rows(rows_, step, chosen.rows);
  for (std::int64_t c = 0; c < num_columns; ++c) {
    const TokenizedTexts tokenized = tokens_.of(c, chosen.rows, /*threads=*/1);
    const int unpooled = model_.unpooled_tokens(prompts_[c]);
    for (std::size_t i = 0; i < chosen.rows.size(); ++i) {
      const auto ids = tokenized[static_cast<std::int64_t>(i)];
      plan.batch.sequence_of.push_back(packed.num_sequences());
      packed.add(ids.data(), static_cast<std::int64_t>(ids.size()),
                 (chosen.epoch * rows_.num_rows() + chosen.rows[i]) * all_columns + c,
                 std::min(unpooled, static_cast<int>(ids.size()) - 1));
    }
  }
  packed.num_queries = std::ssize(chosen.rows);
  plan.chunks = split_by_tokens(packed, chunk_tokens_);
  return plan;
}

}  // namespace attune
