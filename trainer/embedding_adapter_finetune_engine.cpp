#include "trainer/embedding_adapter_finetune_engine.h"

#include <algorithm>
#include <filesystem>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/lerp.h>

#include "core/error.h"
#include "core/log.h"
#include "models/adapter_directory.h"
#include "models/adapter_embedding.h"
#include "models/adapters/registry.h"
#include "models/cached_embedding.h"
#include "models/device.h"
#include "trainer/adapter_batches.h"
#include "trainer/guided_batches.h"
#include "trainer/losses/corpus_softmax.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const BaseEmbedding> load_base(const FinetuneOptions& options) {
  EmbedOptions embed;
  embed.device = options.device;
  embed.precision = options.train.precision;
  embed.max_length = options.model.max_length;
  embed.override_prompts = options.model.prompts.given;
  embed.query_prompt = options.model.prompts.query_text();
  embed.document_prompt = options.model.prompts.document_text();
  return resolve_embed_model(options.model.base, embed);
}

Json initial_config(const AdapterConfig& config, std::int64_t width) {
  Json json = {{"in_features", width}, {"out_features", width}};
  if (config.type == "linear") json["bias"] = config.bias;
  if (config.type == "low_rank") json["rank"] = config.rank;
  if (config.type == "two_layer") {
    json["hidden_features"] = config.hidden_features > 0 ? config.hidden_features : width;
    json["bias"] = true;
    json["activation_fn_str"] = config.activation;
    json["add_residual"] = config.add_residual;
  }
  return json;
}

SavedAdapter start_adapter(const FinetuneOptions& options, std::int64_t width) {
  const AdapterConfig& config = options.adapter;
  if (!config.start.empty()) return load_adapter(config.start);
  return {make_adapter(config.type, initial_config(config, width), options.seed), config.type, {}};
}

std::vector<NamedTensor> trained_tensors(const Adapter& adapter) {
  std::vector<NamedTensor> tensors;
  for (auto& [name, tensor] : adapter.parameters()) tensors.push_back({name, tensor});
  return tensors;
}

// Queries of the batch through the adapter, passages as they are. Queries stand first in a chunk.
EmbedChunk embed_rows(const AdapterBatches& batches, const Adapter& adapter) {
  return [&](const PackedBatch& chunk, const ForwardOptions&) {
    at::Tensor places = at::empty({chunk.num_sequences()}, at::kLong);
    std::copy(chunk.ids.begin(), chunk.ids.end(), places.mutable_data_ptr<std::int64_t>());
    const at::Tensor x = batches.vectors().index_select(0, places);
    const std::int64_t queries =
        std::partition_point(chunk.ids.begin(), chunk.ids.end(),
                             [&](std::int64_t id) { return id < batches.num_queries(); }) -
        chunk.ids.begin();
    // A chunk of passages alone: a leaf, so that backward has somewhere to end.
    if (queries == 0) return x.requires_grad_(at::GradMode::is_enabled());
    const at::Tensor y = adapter.forward(x.narrow(0, 0, queries));
    return queries == x.size(0) ? y : at::cat({y, x.narrow(0, queries, x.size(0) - queries)});
  };
}

// Decoupled decay, as AdamW's, but towards the start: for a linear adapter the identity.
class DecayTowardsStart : public Callback {
 public:
  DecayTowardsStart(const ParameterStore& parameters, double weight_decay)
      : values_(parameters.values()), start_(values_.clone()), weight_decay_(weight_decay) {}
  void on_step(const StepReport& report) override {
    const at::NoGradGuard no_grad;
    values_.lerp_(start_, report.learning_rate * weight_decay_);
  }

 private:
  at::Tensor values_, start_;
  double weight_decay_;
};

// An absolute path where it is one: the artifact is loaded from anywhere.
std::string lasting_name(const std::string& base) {
  const std::string path = base.starts_with("local:") ? base.substr(6) : base;
  return fs::is_directory(path) ? fs::absolute(path).lexically_normal().string() : base;
}

Json sidecar_of(const FinetuneOptions& options, const BaseEmbedding& base,
                const FinetuneResult& result, bool named) {
  Json sidecar = options.lineage;
  sidecar["steps"] = result.steps;
  sidecar["best_step"] = result.best_step;
  Json& own = sidecar["adapter"];
  own["base_fingerprint"] = base.document_space();
  if (!named) return sidecar;
  own["base"] = lasting_name(options.model.base);
  own["max_length"] = options.model.max_length;
  if (options.model.prompts.given)
    own["prompts"] = {{"query", options.model.prompts.query_text()},
                      {"document", options.model.prompts.document_text()}};
  return sidecar;
}

}  // namespace

EmbeddingAdapterFinetuneEngine::EmbeddingAdapterFinetuneEngine(
    TrainingSets data, std::optional<EmbeddingQAFinetuneDataset> val_dataset,
    FinetuneOptions options, std::shared_ptr<const BaseEmbedding> base)
    : FinetuneEngine(std::move(data), std::move(val_dataset), std::move(options)),
      base_(std::move(base)) {}

FinetuneResult EmbeddingAdapterFinetuneEngine::finetune(
    const std::function<bool()>& stop_requested) {
  const auto start = std::chrono::steady_clock::now();
  const bool parity = options_.train.parity == "llamaindex";
  const auto base =
      base_ ? std::make_shared<CachedEmbedding>(base_, options_.output + "/vectors")
            : std::make_shared<CachedEmbedding>(load_base(options_), options_.output + "/vectors",
                                                options_.train.precision);
  SavedAdapter saved = start_adapter(options_, base->dimension());
  const std::shared_ptr<const Adapter> adapter = std::move(saved.adapter);
  const AdapterEmbeddingModel embedding(base, adapter);  // refuses one that does not fit
  ParameterStore parameters(trained_tensors(*adapter), /*decay=*/parity);

  const std::vector<TrainingSet>& sets = data_.sets();
  if (options_.train.loss.kind() == "corpus" && sets.size() > 1)
    throw_error(ErrorKind::kConfig, "train.loss.type corpus takes one data set, here are ",
                sets.size(),
                ": a passage of one may answer a query of another unmarked; join them into one "
                "file, or take loss mnrl");
  const AdapterBatches batches(*base, training_rows(), options_.train, options_.seed);
  const TrainingRows& rows = batches.rows();
  std::unique_ptr<Loss> loss;
  if (options_.train.loss.kind() == "corpus") {
    const std::vector<std::string>& corpus = sets.front().data.dataset.corpus.texts();
    const std::vector<std::string_view> texts(corpus.begin(), corpus.end());
    loss = std::make_unique<CorpusSoftmaxLoss>(embed_texts(*base, Role::kText, texts),
                                               options_.train.loss.scale_or_default());
  } else {
    loss = make_loss(options_.train.loss);
  }
  check_loss(*loss, rows, base->dimension());
  const std::shared_ptr<const BaseEmbedding> guide = load_guide();
  const GuidedBatches guided(batches, rows, guide);
  log_info(str_cat("adapter: ", base->computed(), " texts embedded, the others were in ",
                   options_.output, "/vectors"));

  Trainer trainer(embed_rows(batches, *adapter), parameters, *loss, guided, options_.train,
                  options_.seed);
  DecayTowardsStart decay(parameters, options_.train.weight_decay);
  if (!parity) trainer.add(decay);
  const Subject subject{embedding, parameters, describe_device(at::kCPU),
                        base->query_space() + space_of(guide), rows};
  FinetuneResult result = run(trainer, subject, start, stop_requested);
  if (result.finished)
    save_adapter(*adapter, saved.type, artifact_path(),
                 sidecar_of(options_, *base, result, /*named=*/!base_));
  return result;
}

}  // namespace attune
