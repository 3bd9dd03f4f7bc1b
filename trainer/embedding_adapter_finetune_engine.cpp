#include "trainer/embedding_adapter_finetune_engine.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/lerp.h>

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "models/adapter_directory.h"
#include "models/adapter_embedding.h"
#include "models/adapters/principal_directions.h"
#include "models/adapters/registry.h"
#include "models/cached_embedding.h"
#include "models/device.h"
#include "models/job_model.h"
#include "models/model_directory.h"
#include "trainer/adapter_batches.h"
#include "trainer/checkpoint.h"
#include "trainer/guided_batches.h"
#include "trainer/lineage.h"
#include "trainer/losses/corpus_softmax.h"
#include "trainer/model_card.h"
#include "trainer/sampled_steps.h"

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

// A number, true or false as such, anything else as text.
Json parse_setting(const std::string& value) {
  Json json = Json::parse(value, nullptr, /*allow_exceptions=*/false);
  return json.is_number() || json.is_boolean() ? json : Json(value);
}

Json initial_config(const AdapterConfig& config, std::int64_t width) {
  const std::int64_t out = config.out_features > 0 ? config.out_features : width;
  if (out > width)
    throw_error(ErrorKind::kConfig, "adapter.out_features ", out, " is more than the base model's ",
                width, ": an adapter keeps or reduces them");
  Json json = {{"in_features", width}, {"out_features", out}};
  if (config.type == "linear") json["bias"] = config.bias;
  if (config.type == "low_rank") json["rank"] = config.rank;
  if (config.type == "two_layer") {
    json["hidden_features"] = config.hidden_features > 0 ? config.hidden_features : width;
    json["bias"] = true;
    json["activation_fn_str"] = config.activation;
    json["add_residual"] = config.add_residual;
  }
  for (const std::string& entry : config.settings) {
    const auto [name, value] = AdapterConfig::split_setting(entry);
    json[name] = parse_setting(value);
  }
  return json;
}

void start_at_principal_directions(const Adapter& adapter, const at::Tensor& documents) {
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : adapter.parameters())
    if (name == "linear.weight") tensor.copy_(principal_directions(documents, tensor.size(0)));
}

SavedAdapter start_adapter(const FinetuneOptions& options, const BaseEmbedding& base,
                           const EmbeddingQAFinetuneDataset& dataset) {
  const AdapterConfig& config = options.adapter;
  const bool both = config.sides == "both";
  if (!config.start.empty()) {
    SavedAdapter saved = load_adapter(config.start);
    if (both && saved.sides == AdapterSides::kQuery)
      throw_error(ErrorKind::kConfig, config.start,
                  ": this adapter turns queries alone, and adapter.sides is both: leave one out");
    return saved;
  }
  const Json initial = initial_config(config, base.dimension());
  SavedAdapter made{make_adapter(config.type, initial, options.seed), config.type,
                    both ? AdapterSides::kBoth : AdapterSides::kQuery};
  if (config.type == "linear" && initial["out_features"] < initial["in_features"])
    start_at_principal_directions(*made.adapter, embed_corpus(base, dataset));
  return made;
}

std::vector<NamedTensor> trained_tensors(const Adapter& adapter) {
  std::vector<NamedTensor> tensors;
  for (auto& [name, tensor] : adapter.parameters()) tensors.push_back({name, tensor});
  return tensors;
}

// Queries of the batch through the adapter, passages as they are, or both. Queries stand first in a
// chunk.
EmbedChunk embed_rows(const at::Tensor& all_vectors, const Adapter& adapter, AdapterSides sides) {
  return [&, all_vectors, sides](const PackedTokens& chunk, const ForwardOptions&) {
    const at::Tensor x = all_vectors.index_select(0, chunk.ids);
    if (sides == AdapterSides::kBoth) return adapter.forward(x);
    const std::int64_t queries = chunk.num_queries;
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
    if (report.skipped) return;
    const at::NoGradGuard no_grad;
    values_.lerp_(start_, report.learning_rate * weight_decay_);
  }

 private:
  at::Tensor values_, start_;
  double weight_decay_;
};

// A path where it is no hub's name: the artifact is loaded from anywhere.
std::string lasting_name(const std::string& base) {
  if (is_hub_name(base)) return base;
  return fs::absolute(resolve_model_path(base)).lexically_normal().string();
}

Json sidecar_of(const FinetuneOptions& options, const BaseEmbedding& base,
                const FinetuneResult& result, bool named) {
  Json sidecar = options.lineage;
  sidecar["steps"] = result.steps;
  sidecar["best_step"] = result.best_step;
  const std::string& start = options.adapter.start;
  sidecar["parents"] = !start.empty() ? parents_of(start)
                       : named        ? parents_of(resolve_model_path(options.model.base))
                                      : Json::array();
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

FinetuneResult EmbeddingAdapterFinetuneEngine::finetune(const StopRequested& stop_requested) {
  const auto start = std::chrono::steady_clock::now();
  const bool parity = options_.train.parity == "llamaindex";
  const std::string vectors =
      options_.adapter.vectors.empty() ? options_.output + "/vectors" : options_.adapter.vectors;
  const auto base = base_ ? std::make_shared<CachedEmbedding>(base_, vectors)
                          : std::make_shared<CachedEmbedding>(load_base(options_), vectors,
                                                              options_.train.precision);
  base->stop_when(stop_requested);
  const EmbeddingQAFinetuneDataset& dataset = data_.sets().front().data.dataset;
  SavedAdapter saved = start_adapter(options_, *base, dataset);
  const AdapterSides sides = saved.sides;
  const bool both = sides == AdapterSides::kBoth;
  if (parity && both)
    throw_error(ErrorKind::kConfig,
                "train.parity llamaindex turns queries alone: adapter.sides "
                "query");
  const std::shared_ptr<const Adapter> adapter = std::move(saved.adapter);
  const AdapterEmbeddingModel embedding(base, adapter, sides);  // refuses one that does not fit
  const at::Device device = resolve_device(options_.device);
  set_device_arithmetic(device, /*tf32=*/options_.train.precision == "bf16",
                        options_.train.deterministic);
  ParameterStore parameters(trained_tensors(*adapter), /*decay=*/parity, device);

  if (options_.train.loss.kind() == "corpus" && data_.sets().size() > 1)
    throw_error(ErrorKind::kConfig, "train.loss.type corpus takes one data set, here are ",
                data_.sets().size(),
                ": a passage of one may answer a query of another unmarked; join them into one "
                "file, or take loss mnrl");
  const AdapterBatches batches(*base, training_rows(), options_.train, options_.seed,
                               both ? &dataset : nullptr);
  const TrainingRows& rows = batches.rows();
  const double scale = options_.train.loss.scale_or_default();
  std::unique_ptr<Loss> loss;
  if (options_.train.loss.kind() == "corpus") {
    loss =
        both ? std::make_unique<CorpusSoftmaxLoss>(scale)
             : std::make_unique<CorpusSoftmaxLoss>(embed_corpus(*base, dataset).to(device), scale);
  } else {
    loss = make_loss(options_.train.loss);
  }
  check_rows(*loss, rows, embedding.dimension());
  const std::shared_ptr<const BaseEmbedding> guide = load_guide(vectors);
  const GuidedBatches guided(batches, rows, guide);
  log_info(str_cat("adapter: ", base->computed(), " texts embedded, the others were in ", vectors));
  if (both)
    log_warning(str_cat("adapter: documents are turned too, into ", embedding.dimension(),
                        " numbers: an index made with the base does not fit, embed the documents "
                        "again with the artifact"));

  Trainer trainer(embed_rows(batches.vectors().to(device), *adapter, sides), parameters, *loss,
                  guided, options_.train, options_.seed);
  DecayTowardsStart decay(parameters, options_.train.weight_decay);
  if (!parity) trainer.add(decay);
  const Subject subject{embedding, parameters, describe_device(device),
                        base->query_space() + space_of(guide), rows};
  base->stop_when({});  // from here on a stop waits for the step, and saves it
  FinetuneResult result = run(trainer, subject, start, stop_requested);
  parameters.release_to_cpu();
  if (!result.finished) return result;
  Json sidecar = sidecar_of(options_, *base, result, /*named=*/!base_);
  sidecar["card"] = adapter_card_facts(embedding, options_, rows.num_rows());
  Json lineage = sidecar;  // with what save_adapter adds
  lineage["adapter"]["type"] = saved_type(*adapter, saved.type);
  lineage["adapter"]["sides"] = both ? "both" : "query";
  save_adapter(*adapter, saved.type, sides, artifact_path(), sidecar,
               model_card(lineage, /*evaluation=*/nullptr));
  tell_saved(result);
  return result;
}

TrainingEstimate EmbeddingAdapterFinetuneEngine::estimate(const EmbeddingQAFinetuneDataset* test,
                                                          int systems) {
  const std::shared_ptr<const BaseEmbedding> base = base_ ? base_ : load_base(options_);
  const TrainingRows rows = training_rows();
  const std::int64_t width = base->dimension();
  TrainingEstimate estimate;
  estimate.pairs = rows.num_rows();
  estimate.steps = SampledSteps(rows, options_.train, options_.seed).steps();
  std::int64_t texts = 0;
  for (const TrainingSet& set : data_.sets()) {
    const EmbeddingQAFinetuneDataset& dataset = set.data.dataset;
    texts += dataset.queries.size() + dataset.corpus.size();
    estimate.training_seconds += embedding_seconds(*base, dataset);
  }
  if (val_dataset_) {
    texts += val_dataset_->queries.size() + val_dataset_->corpus.size();
    estimate.evaluation_seconds += embedding_seconds(*base, *val_dataset_);
  }
  if (test) estimate.evaluation_seconds += systems * embedding_seconds(*base, *test);
  estimate.available_memory = available_memory() + resident_memory();
  estimate.memory = resident_memory() + 2 * texts * width * 4;  // of the cache and of the batches
  const std::int64_t parameters = 4 * width * width;            // a two-layer adapter's, at most
  estimate.model_bytes = texts * (64 + width * 4) + 4 * parameters;  // with OUTPUT/vectors
  estimate.checkpoint_bytes = checkpoint_disk_bytes(
      parameters, options_.train.checkpoint_steps > 0 ? options_.train.keep_checkpoints : 0,
      val_dataset_.has_value());
  return estimate;
}

}  // namespace attune
