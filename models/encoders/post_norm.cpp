#include "models/encoders/post_norm.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/log.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "models/activation.h"
#include "models/attention.h"
#include "models/encoders/parameter_plan.h"
#include "models/recompute.h"

namespace attune {
namespace {

constexpr int kWidestHead = 256;
constexpr const char* kDistanceBias = "encoder.relative_attention_bias.weight";

std::string layer_name(const PostNormNames& names, int index) {
  return str_cat(names.layers, ".", index, ".");
}

// transformers' create_position_ids_from_input_ids: tokens other than padding are numbered from
// padding + 1 on.
at::Tensor positions_after(std::int64_t padding, const PackedTokens& tokens) {
  const at::Tensor counts = tokens.ids.ne(padding).to(at::kInt);
  const at::Tensor counted = counts.cumsum(0, at::kInt);
  const at::Tensor first = tokens.cu_seqlens.slice(0, 0, -1).to(at::kLong);
  // Counted before the sequence: those up to its first token, less that one itself.
  const at::Tensor before = counted.index_select(0, first) - counts.index_select(0, first);
  return (counted - before.index_select(0, tokens.token_sequence)) * counts + padding;
}

}  // namespace

at::Tensor distance_buckets(std::int64_t reach, int buckets) {
  constexpr double kFarthest = 128;
  const at::Tensor distance = at::arange(-reach, reach + 1, at::kLong);
  const int half = buckets / 2, exact = half / 2;
  const at::Tensor far = distance.abs();
  // In fp32 as the peers have it: where the bounds fall depends on it.
  const at::Tensor wide = (at::log(far.clamp_min(1).to(at::kFloat) / exact) /
                           std::log(kFarthest / exact) * (half - exact))
                              .to(at::kLong)
                              .add(exact)
                              .clamp_max(half - 1);
  return distance.gt(0).to(at::kLong) * half + at::where(far.lt(exact), far, wide);
}

void check_post_norm(const PostNormConfig& c, ConfigFields& fields) {
  fields.expect(c.width % c.heads == 0 && c.width / c.heads <= kWidestHead, "width ", c.width,
                " and ", c.heads,
                " attention heads: heads must divide the width into parts of at "
                "most ",
                kWidestHead);
  fields.expect(c.padding_token < c.vocabulary, "padding token ", c.padding_token,
                " is not in the vocabulary of ", c.vocabulary);
  fields.expect(c.max_positions() >= 2, "\"max_position_embeddings\" is ", c.positions,
                ": it leaves fewer than 2 positions behind padding token ", c.padding_token);
}

EncoderPlan plan_post_norm(const PostNormConfig& c, const std::string& prefix,
                           const std::string& tied) {
  ParameterPlan plan;
  plan.matrix("embeddings.word_embeddings.weight", c.vocabulary, c.width);
  plan.matrix("embeddings.position_embeddings.weight", c.positions, c.width);
  if (c.token_types > 0)
    plan.matrix("embeddings.token_type_embeddings.weight", c.token_types, c.width);
  plan.norm("embeddings.LayerNorm", c.width);
  if (c.distance_buckets > 0)  // not decayed: "bias" is in its name, and the peers go by that
    plan.add({kDistanceBias, {c.distance_buckets, c.heads}, {kDistanceBias}, /*decay=*/false});
  for (int i = 0; i < c.layers; ++i) {
    plan.in_layer(i);
    const std::string layer = layer_name(c.names, i);
    plan.stacked(layer + c.names.stacked,
                 {layer + c.names.query, layer + c.names.key, layer + c.names.value}, 3 * c.width,
                 c.width);
    plan.dense(layer + c.names.attention_output, c.width, c.width);
    plan.norm(layer + c.names.attention_norm, c.width);
    plan.dense(layer + c.names.intermediate, c.inner, c.width);
    plan.dense(layer + c.names.output, c.width, c.inner);
    plan.norm(layer + c.names.output_norm, c.width);
  }
  EncoderPlan made;
  made.parameters = plan.take();
  made.weight_prefix = prefix;
  made.build = [c](const ParameterStore& parameters) {
    return std::make_unique<PostNormEncoder>(c, parameters);
  };
  made.other_names = {{"embeddings.word_embeddings.weight", tied}};
  // Files of 2019: bert-base-uncased's are still so.
  for (const ParameterSpec& spec : made.parameters)
    if (const auto at = spec.name.find("LayerNorm."); at != std::string::npos)
      made.other_names.emplace_back(
          spec.name, spec.name.substr(0, at) +
                         (spec.name.ends_with("weight") ? "LayerNorm.gamma" : "LayerNorm.beta"));
  return made;
}

PostNormEncoder::PostNormEncoder(const PostNormConfig& config, const ParameterStore& parameters)
    : config_(config) {
  const auto table = [&](const char* name) {
    return parameters.get(str_cat("embeddings.", name, "_embeddings.weight"));
  };
  embeddings_ = {table("word"), table("position"), /*token_type=*/{}, config.padding_token};
  embeddings_.token_type = config.token_types > 0
                               ? table("token_type")
                               : at::zeros({1, config.width}, embeddings_.word.options());
  if (config.positions_after_padding) embeddings_.position_padding_row = config.padding_token;
  embedding_norm_ = layer_norm_of(parameters, "embeddings.LayerNorm", config.epsilon);
  if (config.distance_buckets > 0) {
    distance_bias_ = parameters.get(kDistanceBias);
    buckets_ =
        distance_buckets(config.positions - 1, config.distance_buckets).to(distance_bias_.device());
  }
  const PostNormNames& names = config.names;
  for (int i = 0; i < config.layers; ++i) {
    const std::string layer = layer_name(names, i);
    layers_.push_back({linear_of(parameters, layer + names.stacked),
                       linear_of(parameters, layer + names.attention_output),
                       linear_of(parameters, layer + names.intermediate),
                       linear_of(parameters, layer + names.output),
                       layer_norm_of(parameters, layer + names.attention_norm, config.epsilon),
                       layer_norm_of(parameters, layer + names.output_norm, config.epsilon)});
  }
}

void PostNormEncoder::pack_weights(at::ScalarType products) {
  for (Layer& layer : layers_)
    for (Linear* part : {&layer.qkv, &layer.attention_output, &layer.intermediate, &layer.output})
      pack(*part, products);
}

std::vector<LinearModule> PostNormEncoder::linear_modules() {
  std::vector<LinearModule> modules;
  const std::int64_t d = config_.width;
  const PostNormNames& names = config_.names;
  for (int i = 0; i < config_.layers; ++i) {
    Layer& layer = layers_[i];
    const auto add = [&](const std::string& name, Linear& linear, std::int64_t first,
                         std::int64_t rows, DropoutSite site) {
      modules.push_back({layer_name(names, i) + name, &linear, first, rows, i, site});
    };
    add(names.query, layer.qkv, 0, d, DropoutSite::kQueryLowRank);
    add(names.key, layer.qkv, d, d, DropoutSite::kKeyLowRank);
    add(names.value, layer.qkv, 2 * d, d, DropoutSite::kValueLowRank);
    add(names.attention_output, layer.attention_output, 0, d, DropoutSite::kAttentionOutputLowRank);
    add(names.intermediate, layer.intermediate, 0, config_.inner,
        DropoutSite::kIntermediateLowRank);
    add(names.output, layer.output, 0, d, DropoutSite::kOutputLowRank);
  }
  return modules;
}

at::Tensor PostNormEncoder::intermediate(const at::Tensor& x, const Linear& layer,
                                         const PackedTokens& tokens,
                                         const ForwardOptions& options) const {
  if (is_erf_gelu(config_.activation)) return linear_gelu(x, layer, tokens, options);
  return activate(config_.activation, linear(x, layer, tokens, options));
}

Stream PostNormEncoder::layer_forward(const Stream& stream, int index, const PackedTokens& tokens,
                                      const ForwardOptions& options) const {
  const Layer& layer = layers_[index];
  const auto mask = [&](DropoutSite site) {
    return options.mask(options.probability(config_.dropout), index, site);
  };
  AttentionSpec spec{config_.heads, config_.width / config_.heads,
                     options.probability(config_.attention_dropout)};
  if (distance_bias_.defined()) spec.bias = distance_bias(tokens.max_length);
  const at::Tensor context =
      attention(linear(stream.input, layer.qkv, tokens, options), tokens, spec, options, index);
  const Stream middle = add_layer_norm(linear(context, layer.attention_output, tokens, options),
                                       stream.residual, layer.attention_norm, tokens,
                                       mask(DropoutSite::kAttentionOutput), options.compute);
  const at::Tensor inner = intermediate(middle.input, layer.intermediate, tokens, options);
  return add_layer_norm(linear(inner, layer.output, tokens, options), middle.residual,
                        layer.output_norm, tokens, mask(DropoutSite::kOutput), options.compute);
}

at::Tensor PostNormEncoder::distance_bias(std::int64_t longest) const {
  const at::Tensor near = buckets_.narrow(0, config_.positions - longest, 2 * longest - 1);
  return distance_bias_.index_select(0, near).t().contiguous();
}

at::Tensor PostNormEncoder::forward(const PackedTokens& tokens,
                                    const ForwardOptions& options) const {
  const Dropout mask =
      options.mask(options.probability(config_.dropout), 0, DropoutSite::kEmbeddings);
  const PackedTokens rows =
      config_.positions_after_padding
          ? with_positions(tokens, positions_after(config_.padding_token, tokens),
                           config_.positions)
          : tokens;
  Stream stream =
      embed_layer_norm(rows, embeddings_, embedding_norm_, tokens, mask, options.compute);
  for (int i = 0; i < config_.layers; ++i)
    stream = run_layer(stream, options, [this, i, tokens, options](const Stream& below) {
      return layer_forward(below, i, tokens, options);
    });
  return stream.residual;
}

}  // namespace attune
