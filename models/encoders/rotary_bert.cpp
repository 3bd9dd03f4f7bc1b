#include "models/encoders/rotary_bert.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "models/attention.h"
#include "models/dropout.h"
#include "models/recompute.h"

namespace attune {
namespace {

constexpr int kWidestHead = 256;
const char* const kStackedQkv = "qkv";
const char* const kStackedUpGate = "up_gate";

std::string layer_name(const RotaryBertNames& names, int index) {
  return str_cat(names.layers, ".", index, ".");
}

std::vector<std::string> in_layer(const std::string& layer, const std::vector<std::string>& names) {
  std::vector<std::string> full;
  for (const std::string& name : names) full.push_back(layer + name);
  return full;
}

}  // namespace

void check_rotary_bert(const RotaryBertConfig& c, ConfigFields& fields) {
  fields.expect(
      c.width % c.heads == 0 && c.width / c.heads <= kWidestHead, "width ", c.width, " and ",
      c.heads, " attention heads: heads must divide the width into parts of at most ", kWidestHead);
  fields.expect(c.padding_token < c.vocabulary, "padding token ", c.padding_token,
                " is not in the vocabulary of ", c.vocabulary);
}

EncoderPlan plan_rotary_bert(const RotaryBertConfig& c, const std::string& prefix) {
  const RotaryBertNames& names = c.names;
  ParameterPlan plan;
  plan.matrix("embeddings.word_embeddings.weight", c.vocabulary, c.width);
  if (c.token_types > 0)
    plan.matrix("embeddings.token_type_embeddings.weight", c.token_types, c.width);
  plan.norm(names.embedding_norm, c.width);
  for (int i = 0; i < c.layers; ++i) {
    plan.in_layer(i);
    const std::string layer = layer_name(names, i);
    plan.stacked(layer + kStackedQkv, in_layer(layer, names.qkv), std::int64_t{3} * c.width,
                 c.width, c.attention_bias);
    plan.dense(layer + names.attention_output, c.width, c.width, c.attention_bias);
    plan.norm(layer + names.attention_norm, c.width);
    plan.stacked(layer + kStackedUpGate, in_layer(layer, names.up_gate), std::int64_t{2} * c.inner,
                 c.width, c.up_gate_bias);
    plan.dense(layer + names.down, c.width, c.inner, c.down_bias);
    plan.norm(layer + names.output_norm, c.width);
  }
  return {plan.take(), prefix, [c](const ParameterStore& parameters) {
            return std::make_unique<RotaryBertEncoder>(c, parameters);
          }};
}

RotaryBertEncoder::RotaryBertEncoder(const RotaryBertConfig& config,
                                     const ParameterStore& parameters)
    : config_(config) {
  const RotaryBertNames& names = config.names;
  embeddings_.word = parameters.get("embeddings.word_embeddings.weight");
  embeddings_.padding_row = config.padding_token;
  // Positions are not embedded: a row of zeros stands for all of them.
  embeddings_.position = at::zeros({1, config.width}, embeddings_.word.options());
  embeddings_.token_type = config.token_types > 0
                               ? parameters.get("embeddings.token_type_embeddings.weight")
                               : embeddings_.position;
  embedding_norm_ = layer_norm_of(parameters, names.embedding_norm, config.epsilon);
  for (int i = 0; i < config.layers; ++i) {
    const std::string layer = layer_name(names, i);
    layers_.push_back({linear_of(parameters, layer + kStackedQkv, config.attention_bias),
                       linear_of(parameters, layer + names.attention_output, config.attention_bias),
                       linear_of(parameters, layer + kStackedUpGate, config.up_gate_bias),
                       linear_of(parameters, layer + names.down, config.down_bias),
                       layer_norm_of(parameters, layer + names.attention_norm, config.epsilon),
                       layer_norm_of(parameters, layer + names.output_norm, config.epsilon)});
  }
}

void RotaryBertEncoder::pack_weights(at::ScalarType products) {
  for (Layer& layer : layers_)
    for (Linear* part : {&layer.qkv, &layer.attention_output, &layer.up_gate, &layer.down})
      pack(*part, products);
}

std::vector<LinearModule> RotaryBertEncoder::linear_modules() {
  std::vector<LinearModule> modules;
  const std::int64_t d = config_.width, inner = config_.inner;
  for (int i = 0; i < config_.layers; ++i) {
    Layer& layer = layers_[i];
    const auto add = [&](const char* name, Linear& linear, std::int64_t first, std::int64_t rows,
                         DropoutSite site) {
      modules.push_back({str_cat("layers.", i, ".", name), &linear, first, rows, i, site});
    };
    add("self_attn.q_proj", layer.qkv, 0, d, DropoutSite::kQueryLowRank);
    add("self_attn.k_proj", layer.qkv, d, d, DropoutSite::kKeyLowRank);
    add("self_attn.v_proj", layer.qkv, 2 * d, d, DropoutSite::kValueLowRank);
    add("self_attn.o_proj", layer.attention_output, 0, d, DropoutSite::kAttentionOutputLowRank);
    add("mlp.up_proj", layer.up_gate, 0, inner, DropoutSite::kUpLowRank);
    add("mlp.gate_proj", layer.up_gate, inner, inner, DropoutSite::kIntermediateLowRank);
    add("mlp.down_proj", layer.down, 0, d, DropoutSite::kOutputLowRank);
  }
  return modules;
}

Stream RotaryBertEncoder::layer_forward(const Stream& stream, int index, const RotaryAngles& angles,
                                        const PackedTokens& tokens,
                                        const ForwardOptions& options) const {
  const Layer& layer = layers_[index];
  const auto mask = [&](DropoutSite site) {
    return options.mask(options.probability(config_.dropout), index, site);
  };
  const int heads = config_.heads, head_dim = config_.width / heads;
  const AttentionSpec spec{heads, head_dim, options.probability(config_.attention_dropout)};
  const at::Tensor qkv =
      rotate(linear(stream.input, layer.qkv, tokens, options), angles, heads, heads, head_dim);
  const at::Tensor context = attention(qkv, tokens, spec, options, index);
  const Stream middle = add_layer_norm(linear(context, layer.attention_output, tokens, options),
                                       stream.residual, layer.attention_norm, tokens,
                                       mask(DropoutSite::kAttentionOutput), options.compute);
  at::Tensor inner = gated(linear(middle.input, layer.up_gate, tokens, options),
                           glu_activation(config_.activation), /*activated_first=*/false);
  if (config_.inner_dropout && mask(DropoutSite::kInner).on())
    inner = dropout(inner, tokens, mask(DropoutSite::kInner)).to(inner.scalar_type());
  return add_layer_norm(linear(inner, layer.down, tokens, options), middle.residual,
                        layer.output_norm, tokens, mask(DropoutSite::kOutput), options.compute);
}

at::Tensor RotaryBertEncoder::forward(const PackedTokens& tokens,
                                      const ForwardOptions& options) const {
  const PackedTokens placed = with_positions(
      tokens, at::zeros(tokens.positions.sizes(), tokens.positions.options()), /*rows=*/1);
  const Dropout mask =
      options.mask(options.probability(config_.dropout), 0, DropoutSite::kEmbeddings);
  const RotaryAngles angles = rotary_angles(config_.rotary, tokens);
  Stream stream =
      embed_layer_norm(placed, embeddings_, embedding_norm_, tokens, mask, options.compute);
  for (int i = 0; i < config_.layers; ++i)
    stream = run_layer(stream, options, [this, i, angles, tokens, options](const Stream& x) {
      return layer_forward(x, i, angles, tokens, options);
    });
  return stream.residual;
}

}  // namespace attune
