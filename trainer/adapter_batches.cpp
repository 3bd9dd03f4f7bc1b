#include "trainer/adapter_batches.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>

#include "core/error.h"

namespace attune {
namespace {

constexpr std::int64_t kCorpusChunk = 8192;  // documents turned at a time where all are

}  // namespace

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

at::Tensor embed_corpus(const BaseEmbedding& base, const EmbeddingQAFinetuneDataset& dataset) {
  const std::vector<std::string>& corpus = dataset.corpus.texts();
  const std::vector<std::string_view> texts(corpus.begin(), corpus.end());
  return embed_texts(base, Role::kText, texts);
}

AdapterBatches::AdapterBatches(const BaseEmbedding& base, TrainingRows rows,
                               const TrainConfig& config, std::uint64_t seed,
                               const EmbeddingQAFinetuneDataset* trained_corpus)
    : rows_(std::move(rows)),
      steps_(rows_, config, seed),
      trained_corpus_(config.loss.kind() == "corpus" && trained_corpus),
      chunk_(trained_corpus_ && config.chunk_tokens == 0 ? kCorpusChunk : config.chunk_tokens) {
  if (config.loss.kind() == "corpus") {
    rows_.columns.resize(1);
    rows_.document_id.clear();
  }
  std::vector<at::Tensor> columns;
  for (std::size_t c = 0; c < rows_.columns.size(); ++c)
    columns.push_back(embed_texts(base, c == 0 ? Role::kQuery : Role::kText, rows_.columns[c]));
  if (trained_corpus_) columns.push_back(embed_corpus(base, *trained_corpus));
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
  packed.num_queries = std::ssize(chosen.rows);
  if (trained_corpus_)
    for (std::int64_t row = rows_.num_rows(); row < vectors_.size(0); ++row) {
      const auto place = static_cast<std::int32_t>(row);
      packed.add(&place, 1, place);
    }
  plan.chunks = split_by_tokens(packed, chunk_);
  return plan;
}

}  // namespace attune
