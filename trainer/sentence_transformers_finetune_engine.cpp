#include "trainer/sentence_transformers_finetune_engine.h"

#include <chrono>
#include <filesystem>

#include "core/error.h"
#include "models/artifact.h"
#include "models/device.h"
#include "models/encoder_embedding.h"
#include "models/job_model.h"
#include "models/model_directory.h"
#include "trainer/guided_batches.h"
#include "trainer/lineage.h"
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
  const PromptsConfig& given = options.model.prompts;
  if (given.given) {
    Prompts prompts{given.query_text(), given.document_text()};
    for (std::size_t c = 2; c < given.columns.size(); ++c)
      prompts.further[str_cat("negative_", c - 1)] = given.columns[c];
    model->set_prompts(prompts);
  }
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
  saved.base = is_hub_name(options.model.base)
                   ? options.model.base
                   : fs::absolute(base.transformer_path).lexically_normal().string();
  return saved;
}

}  // namespace

FinetuneResult SentenceTransformersFinetuneEngine::finetune(const StopRequested& stop_requested) {
  const auto start = std::chrono::steady_clock::now();
  const std::shared_ptr<EmbeddingModel> model = load_base(options_);
  set_device_arithmetic(model->device(), /*tf32=*/options_.train.precision == "bf16",
                        options_.train.deterministic);
  const PairBatches batches(*model, training_rows(), options_.train, options_.seed,
                            options_.model.prompts.columns);
  const TrainingRows& rows = batches.rows();
  const std::unique_ptr<Loss> loss = make_loss(options_.train.loss);
  check_rows(*loss, rows, model->dimension());
  if (loss->contrasts_rows() && rows.columns.size() == 2 && !batches.sampled().has_pairs())
    throw_error(ErrorKind::kData,
                "every batch would hold one pair, so there is nothing to tell it "
                "apart from: give more pairs, or pairs of different texts");
  const std::shared_ptr<const BaseEmbedding> guide = load_guide(options_.output + "/vectors");
  const GuidedBatches guided(batches, rows, guide);
  const EncoderEmbedding embedding(model, "the model in training");
  const std::string base_fingerprint = model->fingerprint();
  Fingerprint base = embedding.query_space() + space_of(guide);  // of the prompts it knows two
  for (const auto& [name, prompt] : model->directory().prompts.further)
    base += str_cat("\n", name, ": ", prompt);
  const ArtifactWeights saved = what_is_saved(*model, options_);
  choose_trained(*model, options_.train, options_.seed);
  Trainer trainer(*model, *loss, guided, options_.train, options_.seed);
  const Subject subject{embedding, model->parameters(), describe_device(model->device()), base,
                        rows};
  FinetuneResult result = run(trainer, subject, start, stop_requested);
  if (!result.finished) return result;
  Json lineage = options_.lineage;
  lineage["base"] = options_.model.base;
  lineage["base_fingerprint"] = base_fingerprint;
  lineage["fingerprint"] = model->fingerprint();
  lineage["steps"] = result.steps;
  lineage["best_step"] = result.best_step;
  lineage["parents"] = parents_of(resolve_model_path(options_.model.base));
  if (saved.lora_only) lineage["lora"]["base_fingerprint"] = model->encoder_fingerprint();
  lineage["card"] = card_facts(*model, options_, rows.num_rows());
  write_artifact(*model, artifact_path(), lineage, model_card(lineage, /*evaluation=*/nullptr),
                 saved);
  tell_saved(result);
  return result;
}

TrainingEstimate SentenceTransformersFinetuneEngine::estimate(
    const EmbeddingQAFinetuneDataset* test, int systems) {
  const std::shared_ptr<EmbeddingModel> model = load_base(options_);
  choose_trained(*model, options_.train, options_.seed);
  return estimate_training(model, training_rows(), options_.train, options_.seed,
                           options_.model.prompts.columns, load_guide(/*vectors=*/""),
                           ranked_sets(test, systems));
}

}  // namespace attune
