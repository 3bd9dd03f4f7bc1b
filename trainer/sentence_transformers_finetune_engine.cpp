#include "trainer/sentence_transformers_finetune_engine.h"

#include <filesystem>

#include "core/error.h"
#include "models/artifact.h"
#include "models/device.h"
#include "models/encoder_embedding.h"
#include "trainer/model_card.h"
#include "trainer/pair_batches.h"
#include "trainer/trained_part.h"

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

// Of PEFT: the model whose weights stay, by a name that loads from anywhere.
ArtifactWeights what_is_saved(const EmbeddingModel& model, const FinetuneOptions& options) {
  const LoraConfig& lora = options.train.lora;
  ArtifactWeights saved;
  if (!lora.on() || lora.save != "peft") return saved;
  const ModelDirectory& base = model.directory();
  if (!base.lora_path.empty())
    throw_error(ErrorKind::kConfig, "train.lora.save: peft needs a whole model as base, ",
                base.path,
                " is a PEFT directory: go on from it with train.lora.start, or save merged");
  saved.lora_only = true;
  saved.dropout = lora.dropout;
  saved.base = fs::is_directory(options.model.base) || options.model.base.starts_with("local:")
                   ? fs::absolute(base.transformer_path).lexically_normal().string()
                   : options.model.base;
  return saved;
}

}  // namespace

FinetuneResult SentenceTransformersFinetuneEngine::finetune(
    const std::function<bool()>& stop_requested) {
  const auto start = std::chrono::steady_clock::now();
  const std::shared_ptr<EmbeddingModel> model = load_base(options_);
  const PairBatches batches(*model, training_rows(), options_.train, options_.seed);
  const TrainingRows& rows = batches.rows();
  if (rows.columns.size() == 2 && batches.steps() == rows.num_rows() * options_.train.epochs)
    throw_error(ErrorKind::kData,
                "every batch would hold one pair, so there is nothing to tell it "
                "apart from: give more pairs, or pairs of different texts");
  const std::unique_ptr<Loss> loss = make_loss(options_.train.loss);
  const EncoderEmbedding embedding(model, "the model in training");
  const std::string base_fingerprint = model->fingerprint(), base_space = embedding.query_space();
  const ArtifactWeights saved = what_is_saved(*model, options_);
  choose_trained(*model, options_.train, options_.seed);
  Trainer trainer(*model, *loss, batches, options_.train, options_.seed);
  const Subject subject{embedding, model->parameters(), describe_device(model->device()),
                        base_space, rows};
  FinetuneResult result = run(trainer, subject, start, stop_requested);
  if (!result.finished) return result;
  Json lineage = options_.lineage;
  lineage["base"] = options_.model.base;
  lineage["base_fingerprint"] = base_fingerprint;
  lineage["fingerprint"] = model->fingerprint();
  lineage["steps"] = result.steps;
  lineage["best_step"] = result.best_step;
  if (saved.lora_only) lineage["lora"]["base_fingerprint"] = model->encoder_fingerprint();
  write_artifact(*model, artifact_path(), lineage, model_card(*model, options_, rows.num_rows()),
                 saved);
  return result;
}

}  // namespace attune
