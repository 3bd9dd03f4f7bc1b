#include "trainer/finetune_engine.h"

#include <algorithm>
#include <filesystem>

#include "core/config_reader.h"
#include "core/error.h"
#include "core/log.h"
#include "models/cached_embedding.h"
#include "models/lora_directory.h"
#include "trainer/embedding_adapter_finetune_engine.h"
#include "trainer/sentence_transformers_finetune_engine.h"
#include "trainer/training_run.h"

namespace attune {
namespace {

std::vector<Callback*>& callbacks_of_the_process() {
  static std::vector<Callback*> callbacks;
  return callbacks;
}

// Beyond the first of each query.
std::int64_t further_passages(const TrainingSets& data) {
  std::int64_t count = 0;
  for (const TrainingSet& set : data.sets())
    for (const std::vector<std::int64_t>& relevant : set.data.dataset.relevant_docs)
      count += std::max<std::int64_t>(0, std::ssize(relevant) - 1);
  return count;
}

}  // namespace

void add_callback(Callback& callback) { callbacks_of_the_process().push_back(&callback); }

FinetuneEngine::FinetuneEngine(TrainingSets data,
                               std::optional<EmbeddingQAFinetuneDataset> val_dataset,
                               FinetuneOptions options)
    : data_(std::move(data)),
      val_dataset_(std::move(val_dataset)),
      options_(std::move(options)),
      callbacks_(callbacks_of_the_process()) {}

// Everything that decides the numbers of a run, for checkpoints.
Fingerprint FinetuneEngine::configuration_of(const Subject& subject) const {
  TrainConfig train = options_.train.deciding();
  for (std::string& path : train.negatives) path = path.empty() ? "" : sha256_file(path);
  train.loss.guide.clear();  // its vectors count, in subject.base
  train.lora.start = train.lora.start.empty() ? "" : lora_fingerprint(train.lora.start);
  AdapterConfig adapter = options_.adapter;
  adapter.vectors.clear();
  Sha256 hash;
  for (const std::string& part :
       {print_config(train), print_config(adapter), subject.base, data_.fingerprint(),
        val_dataset_ ? val_dataset_->fingerprint() : std::string()})
    hash.update(str_cat(part.size(), ":", part));
  return hash.hex();
}

TrainingRows FinetuneEngine::training_rows() const {
  TrainingRows rows = data_.rows(options_.train.use_all_docs, options_.train.negatives);
  if (rows.skipped_empty + rows.skipped_unanswered + rows.skipped_without_negatives > 0)
    log_warning(str_cat("training pairs: ", rows.skipped_empty, " rows with an empty text, ",
                        rows.skipped_unanswered, " queries without a relevant passage and ",
                        rows.skipped_without_negatives, " without hard negatives are left out"));
  if (const std::int64_t left = options_.train.use_all_docs ? 0 : further_passages(data_); left > 0)
    log_info(str_cat("training pairs: ", rows.num_rows(), ", each query with its first passage; ",
                     left,
                     " further passages that answer a query make no pair (train.use_all_docs: true "
                     "takes them)"));
  return rows;
}

std::shared_ptr<const BaseEmbedding> FinetuneEngine::load_guide(const std::string& vectors) const {
  if (options_.train.loss.guide.empty()) return nullptr;
  EmbedOptions embed;
  embed.device = options_.device;
  embed.precision = options_.train.precision;
  return std::make_shared<CachedEmbedding>(resolve_embed_model(options_.train.loss.guide, embed),
                                           vectors, embed.precision);
}

std::vector<RankedSet> FinetuneEngine::ranked_sets(const EmbeddingQAFinetuneDataset* test,
                                                   int systems) const {
  std::vector<RankedSet> sets;
  const TrainConfig& train = options_.train;
  std::int64_t queries = 0;
  for (const TrainingSet& set : data_.sets()) queries += set.data.dataset.queries.size();
  if (val_dataset_) {
    const double steps = train.evaluate_steps > 0 ? static_cast<double>(queries) * train.epochs /
                                                        train.batch_size / train.evaluate_steps
                                                  : 0;
    sets.push_back({&*val_dataset_, train.epochs + steps, /*chooses_best=*/true});
  }
  if (test) sets.push_back({test, static_cast<double>(systems), /*chooses_best=*/false});
  return sets;
}

FinetuneResult FinetuneEngine::run(Trainer& trainer, const Subject& subject,
                                   std::chrono::steady_clock::time_point start,
                                   const StopRequested& stop_requested) const {
  if (options_.train.patience > 0 && !val_dataset_)
    throw_error(ErrorKind::kConfig,
                "train.patience needs a validation set with questions to measure");
  const TrainingRun::Data data{data_, val_dataset_ ? &*val_dataset_ : nullptr};
  TrainingRun run(trainer, subject, data, options_, configuration_of(subject), callbacks_, start);
  return run.finish(stop_requested);
}

void FinetuneEngine::tell_saved(const FinetuneResult& result) const {
  for (Callback* callback : callbacks_)
    callback->on_save({result.steps, artifact_path(), /*is_artifact=*/true});
}

std::shared_ptr<const BaseEmbedding> FinetuneEngine::get_finetuned_model() const {
  if (!std::filesystem::exists(artifact_path()))
    throw_error(ErrorKind::kFailed, artifact_path(),
                ": not there yet: finetune() writes it when it finishes");
  EmbedOptions options;
  options.device = options_.device;
  return resolve_embed_model("local:" + artifact_path(), options);
}

std::string space_of(const std::shared_ptr<const BaseEmbedding>& guide) {
  return guide ? guide->query_space() + guide->document_space() : "";
}

std::unique_ptr<FinetuneEngine> make_finetune_engine(
    TrainingSets data, std::optional<EmbeddingQAFinetuneDataset> val_dataset,
    FinetuneOptions options) {
  if (options.train.mode == "adapter")
    return std::make_unique<EmbeddingAdapterFinetuneEngine>(std::move(data), std::move(val_dataset),
                                                            std::move(options));
  return std::make_unique<SentenceTransformersFinetuneEngine>(
      std::move(data), std::move(val_dataset), std::move(options));
}

}  // namespace attune
