#include "trainer/adapter_batches.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>

#include "core/error.h"

namespace attune {

at::Tensor embed_texts(const BaseEmbedding& base, Role role,
                       std::span<const std::string_view> texts) {
  const std::vector<float> vectors = role == Role::kQuery ? base.get_query_embedding_batch(texts)
                                                          : base.get_text_embedding_batch(texts);
  at::Tensor result = at::empty({std::ssize(texts), base.dimension()}, at::kFloat);
  std::copy(vectors.begin(), vectors.end(), result.mutable_data_ptr<float>());
  if (!at::isfinite(result).all().item<bool>())
    throw_error(ErrorKind::kData, base.model_name(), ": an embedding holds NaN or infinity");
  return result;
}

AdapterBatches::AdapterBatches(const BaseEmbedding& base, TrainingRows rows,
                               const TrainConfig& config, std::uint64_t seed)
    : rows_(std::move(rows)), steps_(rows_, config, seed), chunk_(config.chunk_tokens) {
  if (config.loss.kind() == "corpus") {
    rows_.columns.resize(1);
    rows_.document_id.clear();
  }
  std::vector<at::Tensor> columns;
  for (std::size_t c = 0; c < rows_.columns.size(); ++c)
    columns.push_back(embed_texts(base, c == 0 ? Role::kQuery : Role::kText, rows_.columns[c]));
  vectors_ = at::cat(columns);
}

StepPlan AdapterBatches::at(std::int64_t step) const {
  return steps_.plan(step, [&](const SampledBatch& chosen) { return plan_batch(step, chosen); });
}

BatchPlan AdapterBatches::plan_batch(std::int64_t step, const SampledBatch& chosen) const {
  BatchPlan plan;
  plan.batch = describe_rows(rows_, step, chosen.rows);
  PackedBatch packed;
  const std::int64_t columns = rows_.num_columns(chosen.rows[0]);
  for (std::int64_t c = 0; c < columns; ++c)
    for (const std::int64_t row : chosen.rows) {
      const auto place = static_cast<std::int32_t>(c * rows_.num_rows() + row);
      plan.batch.sequence_of.push_back(packed.num_sequences());
      packed.add(&place, 1, place);
    }
  plan.chunks = split_by_tokens(packed, chunk_);
  return plan;
}

}  // namespace attune
