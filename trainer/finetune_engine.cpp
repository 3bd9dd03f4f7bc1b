#include "trainer/finetune_engine.h"

#include <filesystem>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>

#include "core/config_reader.h"
#include "core/error.h"
#include "core/log.h"
#include "models/cached_embedding.h"
#include "trainer/callbacks.h"
#include "trainer/checkpoint.h"
#include "trainer/embedding_adapter_finetune_engine.h"
#include "trainer/sentence_transformers_finetune_engine.h"

namespace attune {
namespace {

// What the result tells of all steps, those before a resume included.
class Totals : public Callback {
 public:
  void on_step(const StepReport& report) override {
    loss = report.loss;
    pairs += report.pairs;
  }
  double loss = 0;
  std::int64_t pairs = 0;
};

void set_values(const ParameterStore& parameters, const at::Tensor& values) {
  const at::NoGradGuard no_grad;
  at::Tensor target = parameters.values();
  target.copy_(values);
}

}  // namespace

FinetuneEngine::FinetuneEngine(TrainingSets data,
                               std::optional<EmbeddingQAFinetuneDataset> val_dataset,
                               FinetuneOptions options)
    : data_(std::move(data)), val_dataset_(std::move(val_dataset)), options_(std::move(options)) {}

// Everything that decides the numbers of a run, for checkpoints.
Fingerprint FinetuneEngine::configuration_of(const Subject& subject) const {
  TrainConfig train = options_.train;
  train.checkpoint_steps = 0;  // how often it is saved changes nothing
  for (std::string& path : train.negatives) path = path.empty() ? "" : sha256_file(path);
  train.loss.guide.clear();  // its vectors count, in subject.base
  AdapterConfig adapter = options_.adapter;
  Sha256 hash;
  for (const std::string& part :
       {print_config(train), print_config(adapter), subject.base, data_.fingerprint(),
        val_dataset_ ? val_dataset_->fingerprint() : std::string()})
    hash.update(str_cat(part.size(), ":", part));
  return hash.hex();
}

TrainingRows FinetuneEngine::training_rows() const {
  TrainingRows rows = data_.rows(options_.train.use_all_docs, options_.train.negatives);
  if (rows.skipped_empty + rows.skipped_unanswered > 0)
    log_warning(str_cat("training pairs: ", rows.skipped_empty, " rows with an empty text and ",
                        rows.skipped_unanswered,
                        " queries without a relevant passage are left out"));
  return rows;
}

std::shared_ptr<const BaseEmbedding> FinetuneEngine::load_guide() const {
  if (options_.train.loss.guide.empty()) return nullptr;
  EmbedOptions embed;
  embed.device = options_.device;
  embed.precision = options_.train.precision;
  return std::make_shared<CachedEmbedding>(resolve_embed_model(options_.train.loss.guide, embed),
                                           options_.output + "/vectors", embed.precision);
}

FinetuneResult FinetuneEngine::run(Trainer& trainer, const Subject& subject,
                                   std::chrono::steady_clock::time_point start,
                                   const std::function<bool()>& stop_requested) const {
  Checkpoint identity;
  identity.device = subject.device;
  identity.values = subject.parameters.values();
  identity.seed = options_.seed;
  identity.configuration = configuration_of(subject);
  const std::string checkpoints = options_.output + "/checkpoints";
  std::optional<Checkpoint> resumed;
  if (options_.resume) resumed = load_newest_checkpoint(checkpoints, identity);

  MetricsFile metrics(options_.output + "/metrics.jsonl", resumed ? resumed->next_step : 0);
  std::optional<ProgressLine> progress;
  if (options_.show_progress) progress.emplace(trainer.total_steps());
  std::vector<Callback*> listeners = {&metrics};
  if (progress) listeners.push_back(&*progress);
  std::optional<BestModel> best;
  if (val_dataset_)
    best.emplace(subject.embedding, subject.parameters, *val_dataset_, options_.evaluate_k,
                 options_.train.evaluate_steps, listeners);
  Totals totals;
  double seconds_before = 0;
  const auto seconds = [&] {
    return seconds_before +
           std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  if (resumed) {
    totals.loss = resumed->last_loss;
    totals.pairs = resumed->pairs;
    seconds_before = resumed->seconds;
    set_values(subject.parameters, resumed->values);
    const at::NoGradGuard no_grad;
    trainer.optimizer().first_moments().copy_(resumed->first_moments);
    trainer.optimizer().second_moments().copy_(resumed->second_moments);
    trainer.optimizer().set_steps_taken(resumed->next_step);
    trainer.resume_at(resumed->next_step);
    if (best && resumed->best_values.defined())
      best->restore(resumed->best_step, resumed->best_metric, resumed->best_values);
    log_info(str_cat("going on at step ", resumed->next_step + 1, " of ", trainer.total_steps()));
  }
  const auto save = [&] {
    if (!at::isfinite(subject.parameters.values()).all().item<bool>())
      throw_error(ErrorKind::kDiverged, "after step ", trainer.next_step(),
                  " the weights hold NaN or infinity: nothing is saved; lower train.learning_rate");
    metrics.sync();
    Checkpoint checkpoint = identity;
    checkpoint.next_step = trainer.next_step();
    checkpoint.last_loss = totals.loss;
    checkpoint.pairs = totals.pairs;
    checkpoint.seconds = seconds();
    checkpoint.values = subject.parameters.values();
    checkpoint.first_moments = trainer.optimizer().first_moments();
    checkpoint.second_moments = trainer.optimizer().second_moments();
    if (best && best->has_best()) {
      checkpoint.best_step = best->best_step();
      checkpoint.best_metric = best->best_metric();
      checkpoint.best_values = best->best_values();
    }
    save_checkpoint(checkpoints, checkpoint);
  };
  PeriodicCheckpoint periodic(options_.train.checkpoint_steps, save);
  trainer.add(metrics);
  trainer.add(totals);
  if (progress) trainer.add(*progress);
  if (best) trainer.add(*best);
  trainer.add(periodic);  // after the evaluation, so that a checkpoint holds its result
  trainer.run(stop_requested);

  FinetuneResult result;
  result.finished = trainer.next_step() == trainer.total_steps();
  result.steps = trainer.next_step();
  result.skipped_empty = subject.rows.skipped_empty;
  result.skipped_unanswered = subject.rows.skipped_unanswered;
  result.pairs = totals.pairs;
  result.final_loss = totals.loss;
  result.best_step = best && best->has_best() ? best->best_step() : result.steps;
  result.best_metric = best && best->has_best() ? best->best_metric() : 0;
  if (!result.finished) {
    save();
  } else {
    if (best && best->has_best()) set_values(subject.parameters, best->best_values());
    check_embeds(subject.embedding, subject.rows.columns[0][0]);
  }
  result.seconds = seconds();
  return result;
}

std::shared_ptr<const BaseEmbedding> FinetuneEngine::get_finetuned_model() const {
  if (!std::filesystem::exists(artifact_path()))
    throw_error(ErrorKind::kFailed, artifact_path(),
                ": not there yet: finetune() writes it when it finishes");
  EmbedOptions options;
  options.device = options_.device;
  return resolve_embed_model("local:" + artifact_path(), options);
}

void check_loss(const Loss& loss, const TrainingRows& rows, int dimension) {
  if (rows.sources.empty()) return loss.check(rows, dimension);
  for (const RowSource& source : rows.sources) {
    TrainingRows shape;  // of one set's rows
    shape.columns.resize(source.columns);
    shape.labels_per_row = source.labels_per_row;
    shape.relevant = source.relevant;
    try {
      loss.check(shape, dimension);
    } catch (const Error& error) {
      throw_error(error.kind(), source.name, ": ", error.what());
    }
  }
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
