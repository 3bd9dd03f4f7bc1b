#include "trainer/finetune_engine.h"

#include <filesystem>

#include "core/config_reader.h"
#include "core/error.h"
#include "core/log.h"
#include "trainer/embedding_adapter_finetune_engine.h"
#include "trainer/sentence_transformers_finetune_engine.h"
#include "trainer/training_run.h"

namespace attune {
namespace {

std::vector<Callback*>& callbacks_of_the_process() {
  static std::vector<Callback*> callbacks;
  return callbacks;
}

}  // namespace

void add_callback(Callback& callback) { callbacks_of_the_process().push_back(&callback); }

FinetuneEngine::FinetuneEngine(EmbeddingQAFinetuneDataset dataset,
                               std::optional<EmbeddingQAFinetuneDataset> val_dataset,
                               FinetuneOptions options)
    : dataset_(std::move(dataset)),
      val_dataset_(std::move(val_dataset)),
      options_(std::move(options)),
      callbacks_(callbacks_of_the_process()) {}

// Everything that decides the numbers of a run, for checkpoints.
Fingerprint FinetuneEngine::configuration_of(const Subject& subject) const {
  TrainConfig train = options_.train.deciding();
  train.negatives = train.negatives.empty() ? "" : sha256_file(train.negatives);
  AdapterConfig adapter = options_.adapter;
  Sha256 hash;
  for (const std::string& part :
       {print_config(train), print_config(adapter), subject.base, dataset_.fingerprint(),
        val_dataset_ ? val_dataset_->fingerprint() : std::string()})
    hash.update(str_cat(part.size(), ":", part));
  return hash.hex();
}

TrainingRows FinetuneEngine::training_rows() const {
  TrainingRows rows =
      make_training_rows(dataset_, options_.train.use_all_docs, options_.train.negatives);
  if (rows.skipped_empty + rows.skipped_unanswered > 0)
    log_warning(str_cat("training pairs: ", rows.skipped_empty, " rows with an empty text and ",
                        rows.skipped_unanswered,
                        " queries without a relevant passage are left out"));
  return rows;
}

FinetuneResult FinetuneEngine::run(Trainer& trainer, const Subject& subject,
                                   std::chrono::steady_clock::time_point start,
                                   const std::function<bool()>& stop_requested) const {
  if (options_.train.patience > 0 && !val_dataset_)
    throw_error(ErrorKind::kConfig,
                "train.patience needs a validation set with questions to measure");
  const TrainingRun::Data data{dataset_, val_dataset_ ? &*val_dataset_ : nullptr};
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

std::unique_ptr<FinetuneEngine> make_finetune_engine(
    EmbeddingQAFinetuneDataset dataset, std::optional<EmbeddingQAFinetuneDataset> val_dataset,
    FinetuneOptions options) {
  if (options.train.mode == "adapter")
    return std::make_unique<EmbeddingAdapterFinetuneEngine>(
        std::move(dataset), std::move(val_dataset), std::move(options));
  return std::make_unique<SentenceTransformersFinetuneEngine>(
      std::move(dataset), std::move(val_dataset), std::move(options));
}

}  // namespace attune
