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

AdapterBatches::AdapterBatches(const BaseEmbedding& base, const EmbeddingQAFinetuneDataset& dataset,
                               TrainingRows rows, const TrainConfig& config, std::uint64_t seed,
                               bool trained_corpus)
    : dataset_(dataset),
      rows_(std::move(rows)),
      steps_(sample_steps(rows_, config, seed)),
      whole_corpus_(config.loss.type == "corpus"),
      trained_corpus_(whole_corpus_ && trained_corpus),
      chunk_(trained_corpus_ && config.chunk_tokens == 0 ? kCorpusChunk : config.chunk_tokens) {
  if (whole_corpus_) rows_.columns.resize(1);
  std::vector<at::Tensor> columns;
  for (std::size_t c = 0; c < rows_.columns.size(); ++c)
    columns.push_back(embed_texts(base, c == 0 ? Role::kQuery : Role::kText, rows_.columns[c]));
  if (trained_corpus_) columns.push_back(embed_corpus(base, dataset));
  vectors_ = at::cat(columns);
}

StepPlan AdapterBatches::at(std::int64_t step) const {
  const SampledStep& chosen = steps_.at(static_cast<std::size_t>(step));
  StepPlan plan;
  PackedBatch packed;
  const std::int64_t columns = std::ssize(rows_.columns);
  for (std::int64_t c = 0; c < columns; ++c)
    for (const std::int64_t row : chosen.rows) {
      const auto place = static_cast<std::int32_t>(c * rows_.num_rows() + row);
      plan.batch.sequence_of.push_back(packed.num_sequences());
      packed.add(&place, 1, place);
    }
  if (trained_corpus_)
    for (std::int64_t row = rows_.num_rows(); row < vectors_.size(0); ++row) {
      const auto place = static_cast<std::int32_t>(row);
      packed.add(&place, 1, place);
    }
  plan.batch.step = step;
  plan.batch.rows = static_cast<int>(chosen.rows.size());
  plan.batch.columns = static_cast<int>(columns);
  for (const std::int64_t row : chosen.rows) {
    plan.batch.document_id.push_back(rows_.document_id[row]);
    if (whole_corpus_) plan.batch.relevant.push_back(dataset_.relevant_docs[rows_.query_id[row]]);
  }
  plan.chunks = split_by_tokens(packed, chunk_);
  plan.epoch = chosen.epochs_done;
  plan.ends_epoch = chosen.ends_epoch;
  return plan;
}

}  // namespace attune
