#include "models/encoders/static_embedding.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "models/encoders/config_fields.h"
#include "models/encoders/parameter_plan.h"
#include "models/token_embedding.h"

namespace attune {
namespace {

constexpr const char *kName = "embedding.weight", *kModel2Vec = "embeddings";

}  // namespace

Json static_config(const std::string& directory) {
  const Weights weights = Weights::from_directory(directory);
  for (const char* name : {"mapping", "weights"})
    if (weights.find(name))
      throw_error(ErrorKind::kData, weights.find(name)->file, ": tensor '", name,
                  "': model2vec's quantised vocabularies are not supported; save the model without "
                  "vocabulary quantisation");
  const WeightEntry* table = weights.find(kName);
  if (!table) table = weights.find(kModel2Vec);
  if (!table)
    throw_error(ErrorKind::kData, directory,
                "/model.safetensors: a StaticEmbedding's weights are '", kName, "' or '",
                kModel2Vec, "'; neither is there");
  if (table->shape.size() != 2 || table->shape[0] < 1 || table->shape[1] < 1 ||
      table->shape[0] > 100'000'000 || table->shape[1] > 65'536)
    throw_error(ErrorKind::kData, table->file,
                ": a StaticEmbedding's table must be [tokens, width], found ", table->shape.size(),
                " dimensions of other sizes");
  return {
      {"model_type", "static"}, {"vocab_size", table->shape[0]}, {"hidden_size", table->shape[1]}};
}

EncoderPlan plan_static(const Json& config, const std::string& config_path) {
  int vocabulary = 0, width = 0;
  ConfigFields fields(config, config_path);
  fields.read_int("vocab_size", 1, 100'000'000, vocabulary);
  fields.read_int("hidden_size", 1, 65'536, width);
  fields.expect(vocabulary > 0 && width > 0,
                "model_type \"static\" stands for the StaticEmbedding "
                "module of modules.json, not for a config.json");
  fields.finish();
  ParameterPlan plan;
  plan.matrix(kName, vocabulary, width);
  EncoderPlan made;
  made.parameters = plan.take();
  made.other_names = {{kName, kModel2Vec}};
  made.build = [](const ParameterStore& parameters) {
    return std::make_unique<StaticEmbedding>(parameters.get(kName));
  };
  return made;
}

StaticEmbedding::StaticEmbedding(at::Tensor table)
    : table_(std::move(table)), none_(at::zeros({1, table_.size(1)}, table_.options())) {}

at::Tensor StaticEmbedding::forward(const PackedTokens& tokens, const ForwardOptions&) const {
  const std::int64_t rows = table_.size(0);
  PackedTokens placed = with_positions(tokens, at::zeros_like(tokens.positions), /*rows=*/1);
  if (tokens.max_id >= rows) placed = with_ids(placed, tokens.ids.clamp_max(rows - 1), rows);
  const at::Tensor vectors = embed_tokens(placed, {table_, none_, none_});
  return vectors * tokens.ids.lt(table_.size(0)).unsqueeze(1);
}

}  // namespace attune
