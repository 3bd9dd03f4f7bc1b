#include "trainer/sentence_transformers_finetune_engine.h"

#include "core/error.h"
#include "models/artifact.h"
#include "models/device.h"
#include "models/encoder_embedding.h"
#include "trainer/guided_batches.h"
#include "trainer/model_card.h"
#include "trainer/pair_batches.h"

namespace attune {
namespace {

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

}  // namespace

FinetuneResult SentenceTransformersFinetuneEngine::finetune(
    const std::function<bool()>& stop_requested) {
  const auto start = std::chrono::steady_clock::now();
  const std::shared_ptr<EmbeddingModel> model = load_base(options_);
  const PairBatches batches(*model, training_rows(), options_.train, options_.seed,
                            options_.model.prompts.columns);
  const TrainingRows& rows = batches.rows();
  const std::unique_ptr<Loss> loss = make_loss(options_.train.loss);
  check_loss(*loss, rows, model->dimension());
  if (loss->contrasts_rows() && rows.columns.size() == 2 && !batches.sampled().has_pairs())
    throw_error(ErrorKind::kData,
                "every batch would hold one pair, so there is nothing to tell it "
                "apart from: give more pairs, or pairs of different texts");
  const std::shared_ptr<const BaseEmbedding> guide = load_guide();
  const GuidedBatches guided(batches, rows, guide);
  Trainer trainer(*model, *loss, guided, options_.train, options_.seed);

  const EncoderEmbedding embedding(model, "the model in training");
  const std::string base_fingerprint = model->fingerprint();
  Fingerprint base = embedding.query_space() + space_of(guide);  // of the prompts it knows two
  for (const auto& [name, prompt] : model->directory().prompts.further)
    base += str_cat("\n", name, ": ", prompt);
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
  write_artifact(*model, artifact_path(), lineage, model_card(*model, options_, rows.num_rows()));
  return result;
}

}  // namespace attune
