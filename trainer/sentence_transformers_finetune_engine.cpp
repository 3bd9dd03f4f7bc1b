#include "trainer/sentence_transformers_finetune_engine.h"

#include <chrono>
#include <filesystem>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>

#include "core/config_reader.h"
#include "core/error.h"
#include "core/log.h"
#include "models/artifact.h"
#include "models/device.h"
#include "trainer/callbacks.h"
#include "trainer/checkpoint.h"
#include "trainer/model_card.h"
#include "trainer/pair_batches.h"
#include "trainer/trainer.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<EmbeddingModel> load_base(const FinetuneOptions& options) {
  auto model =
      EmbeddingModel::load(resolve_model_path(options.model.base), resolve_device(options.device));
  if (options.model.max_length != 0) model->set_max_length(options.model.max_length);
  if (options.model.prompts.given)
    model->set_prompts({options.model.prompts.query, options.model.prompts.document});
  return model;
}

// Everything that decides the numbers of a run, for checkpoints.
Fingerprint configuration_of(const FinetuneOptions& options, const EmbeddingModel& base,
                             const EmbeddingQAFinetuneDataset& dataset,
                             const std::optional<EmbeddingQAFinetuneDataset>& validation) {
  TrainConfig train = options.train;
  train.checkpoint_steps = 0;  // how often it is saved changes nothing
  train.negatives = train.negatives.empty() ? "" : sha256_file(train.negatives);
  Sha256 hash;
  for (const std::string& part :
       {print_config(train), base.fingerprint(), base.prompt(Role::kQuery), dataset.fingerprint(),
        validation ? validation->fingerprint() : std::string()})
    hash.update(str_cat(part.size(), ":", part));
  return hash.hex();
}

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

}  // namespace

SentenceTransformersFinetuneEngine::SentenceTransformersFinetuneEngine(
    EmbeddingQAFinetuneDataset dataset, std::optional<EmbeddingQAFinetuneDataset> val_dataset,
    FinetuneOptions options)
    : dataset_(std::move(dataset)),
      val_dataset_(std::move(val_dataset)),
      options_(std::move(options)) {}

FinetuneResult SentenceTransformersFinetuneEngine::finetune(
    const std::function<bool()>& stop_requested) {
  const auto start = std::chrono::steady_clock::now();
  const std::shared_ptr<EmbeddingModel> model = load_base(options_);
  const PairBatches batches(
      *model, make_training_rows(dataset_, options_.train.use_all_docs, options_.train.negatives),
      options_.train, options_.seed);
  const TrainingRows& rows = batches.rows();
  if (rows.skipped_empty + rows.skipped_unanswered > 0)
    log_warning(str_cat("training pairs: ", rows.skipped_empty, " rows with an empty text and ",
                        rows.skipped_unanswered,
                        " queries without a relevant passage are left out"));
  if (rows.columns.size() == 2 && batches.steps() == rows.num_rows() * options_.train.epochs)
    throw_error(ErrorKind::kData,
                "every batch would hold one pair, so there is nothing to tell it "
                "apart from: give more pairs, or pairs of different texts");
  const std::unique_ptr<Loss> loss = make_loss(options_.train.loss);

  Checkpoint identity;
  identity.device = describe_device(model->device());
  identity.values = model->parameters().values();
  identity.seed = options_.seed;
  identity.configuration = configuration_of(options_, *model, dataset_, val_dataset_);
  const std::string base_fingerprint = model->fingerprint();
  Trainer trainer(*model, *loss, batches, options_.train, options_.seed);
  const std::string checkpoints = options_.output + "/checkpoints";
  std::optional<Checkpoint> resumed;
  if (options_.resume) resumed = load_newest_checkpoint(checkpoints, identity);

  MetricsFile metrics(options_.output + "/metrics.jsonl", resumed ? resumed->next_step : 0);
  std::optional<ProgressLine> progress;
  if (options_.show_progress) progress.emplace(batches.steps());
  std::vector<Callback*> listeners = {&metrics};
  if (progress) listeners.push_back(&*progress);
  std::optional<BestModel> best;
  if (val_dataset_)
    best.emplace(model, *val_dataset_, options_.evaluate_k, options_.train.evaluate_steps,
                 listeners);
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
    const at::NoGradGuard no_grad;
    at::Tensor values = model->parameters().values();
    values.copy_(resumed->values);
    trainer.optimizer().first_moments().copy_(resumed->first_moments);
    trainer.optimizer().second_moments().copy_(resumed->second_moments);
    trainer.optimizer().set_steps_taken(resumed->next_step);
    trainer.resume_at(resumed->next_step);
    if (best && resumed->best_values.defined())
      best->restore(resumed->best_step, resumed->best_metric, resumed->best_values);
    log_info(str_cat("going on at step ", resumed->next_step + 1, " of ", batches.steps()));
  }
  const auto save = [&] {
    if (!at::isfinite(model->parameters().values()).all().item<bool>())
      throw_error(ErrorKind::kDiverged, "after step ", trainer.next_step(),
                  " the weights hold NaN or infinity: nothing is saved; lower train.learning_rate");
    metrics.sync();
    Checkpoint checkpoint = identity;
    checkpoint.next_step = trainer.next_step();
    checkpoint.last_loss = totals.loss;
    checkpoint.pairs = totals.pairs;
    checkpoint.seconds = seconds();
    checkpoint.values = model->parameters().values();
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
  result.finished = trainer.next_step() == batches.steps();
  result.steps = trainer.next_step();
  result.pairs = totals.pairs;
  result.final_loss = totals.loss;
  result.skipped_empty = rows.skipped_empty;
  result.skipped_unanswered = rows.skipped_unanswered;
  result.best_step = best && best->has_best() ? best->best_step() : result.steps;
  result.best_metric = best && best->has_best() ? best->best_metric() : 0;
  if (!result.finished) {
    save();
  } else {
    if (best && best->has_best()) {
      const at::NoGradGuard no_grad;
      at::Tensor values = model->parameters().values();
      values.copy_(best->best_values());
    }
    check_embeds(model, std::string(rows.columns[1][0]));
    Json lineage = options_.lineage;
    lineage["base"] = options_.model.base;
    lineage["base_fingerprint"] = base_fingerprint;
    lineage["fingerprint"] = model->fingerprint();
    lineage["steps"] = result.steps;
    lineage["best_step"] = result.best_step;
    write_artifact(*model, artifact_path(), lineage, model_card(*model, options_, rows.num_rows()));
  }
  result.seconds = seconds();
  return result;
}

std::shared_ptr<const BaseEmbedding> SentenceTransformersFinetuneEngine::get_finetuned_model()
    const {
  if (!fs::exists(artifact_path()))
    throw_error(ErrorKind::kFailed, artifact_path(),
                ": not there yet: finetune() writes it when it finishes");
  EmbedOptions options;
  options.device = options_.device;
  return resolve_embed_model("local:" + artifact_path(), options);
}

}  // namespace attune
