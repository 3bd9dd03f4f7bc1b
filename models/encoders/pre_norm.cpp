#include "models/encoders/pre_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/zeros.h>

#include "models/attention.h"
#include "models/dropout.h"
#include "models/recompute.h"

namespace attune {
namespace {

constexpr int kWidestHead = 256;

at::Tensor dropped(const at::Tensor& x, double model_probability, DropoutSite site, int layer,
                   const PackedTokens& tokens, const ForwardOptions& options) {
  const Dropout mask = options.mask(options.probability(model_probability), layer, site);
  return mask.on() ? dropout(x, tokens, mask).to(x.scalar_type()) : x;
}

std::string layer_name(int index) { return str_cat("layers.", index, "."); }

// The name here of what is one layer here: its own, or that of the parts.
std::string name_of(const std::vector<std::string>& parts) {
  std::string name;
  for (const std::string& part : parts) name += (name.empty() ? "" : "+") + part;
  return name;
}

std::vector<std::string> in_layer(int index, const std::vector<std::string>& names) {
  std::vector<std::string> full;
  for (const std::string& name : names) full.push_back(layer_name(index) + name);
  return full;
}

// Rows of query, key and value.
std::vector<std::int64_t> qkv_rows(const PreNormConfig& c) {
  const std::int64_t query = static_cast<std::int64_t>(c.heads) * c.head_dim,
                     key = static_cast<std::int64_t>(c.kv_heads) * c.head_dim;
  return {query, key, key};
}

std::int64_t sum(const std::vector<std::int64_t>& values) {
  std::int64_t total = 0;
  for (std::int64_t value : values) total += value;
  return total;
}

}  // namespace

void read_llama_fields(ConfigFields& fields, PreNormConfig& c) {
  fields.read_int("vocab_size", 1, 10'000'000, c.vocabulary);
  fields.read_int("hidden_size", 1, 16'384, c.width);
  fields.read_int("num_hidden_layers", 0, 1'000, c.layers);
  fields.read_int("num_attention_heads", 1, 1'024, c.heads);
  c.kv_heads = c.heads;
  fields.read_int("num_key_value_heads", 1, 1'024, c.kv_heads);
  if (c.head_dim == 0 && c.heads > 0) c.head_dim = c.width / c.heads;
  fields.read_int("head_dim", 2, kWidestHead, c.head_dim);
  fields.read_int("intermediate_size", 1, 131'072, c.inner);
  fields.read_int("max_position_embeddings", 2, 10'000'000, c.positions);
  fields.read_int("pad_token_id", 0, 10'000'000, c.padding_token);
  fields.read_number("rms_norm_eps", 1, c.epsilon);
  fields.read_number("attention_dropout", 1, c.attention_dropout);
  fields.read_bool("attention_bias", c.attention_bias);
}

std::vector<bool> read_sliding_layers(ConfigFields& fields, int layers,
                                      bool (*by_default)(int, int), int argument) {
  std::vector<bool> sliding;
  for (int i = 0; i < layers; ++i) sliding.push_back(by_default(i, argument));
  if (!fields.has("layer_types")) return sliding;
  const Json& types = fields["layer_types"];
  if (!types.is_array() || std::ssize(types) != layers) {
    fields.expect(false, "\"layer_types\": expected one for each of ", layers, " layers");
    return sliding;
  }
  for (int i = 0; i < layers; ++i) {
    sliding[i] = types[i] == "sliding_attention";
    fields.expect(sliding[i] || types[i] == "full_attention", "\"layer_types\": ", types[i].dump(),
                  " is not supported; known: full_attention, sliding_attention");
  }
  return sliding;
}

std::vector<PreNormLayers> read_rotary_kinds(ConfigFields& fields, int head_dim,
                                             const RotaryKeys& keys) {
  double full = keys.full_default, sliding = keys.sliding_default;
  fields.read_number(keys.full, 1e12, full);
  fields.read_number(keys.sliding, 1e12, sliding);
  fields.expect(full >= 1 && sliding >= 1, "\"", keys.full, "\" and \"", keys.sliding, "\" are ",
                full, " and ", sliding, ", expected numbers from 1 on");
  const char* key = "rope_parameters";
  if (fields.has(key)) {
    const Json& nested = fields[key];
    const bool good = nested.is_object() && nested.contains("full_attention") &&
                      nested.contains("sliding_attention");
    fields.expect(good,
                  "\"rope_parameters\": expected \"full_attention\" and "
                  "\"sliding_attention\"");
    if (!good) return {{}, {}};
    return {{read_rotary(fields, key, nested["full_attention"], full, head_dim)},
            {read_rotary(fields, key, nested["sliding_attention"], sliding, head_dim)}};
  }
  key = "rope_scaling";
  const Json scaling = fields.has(key) ? fields[key] : Json();
  return {
      {read_rotary(fields, key, scaling, full, head_dim)},
      {read_rotary(fields, key, keys.scaling_of_sliding ? scaling : Json(), sliding, head_dim)}};
}

void check_pre_norm(const PreNormConfig& c, ConfigFields& fields) {
  fields.expect(c.heads % c.kv_heads == 0, c.heads, " attention heads cannot share ", c.kv_heads,
                " key heads evenly");
  fields.expect(c.head_dim >= 2 && c.head_dim <= kWidestHead, "heads have ", c.head_dim,
                " numbers, expected 2 to ", kWidestHead);
  fields.expect(c.padding_token < c.vocabulary, "padding token ", c.padding_token,
                " is not in the vocabulary of ", c.vocabulary);
}

EncoderPlan plan_pre_norm(const PreNormConfig& c, const std::string& prefix) {
  const PreNormNames& names = c.names;
  ParameterPlan plan;
  const auto norm = [&](const std::string& layer, const std::string& name, std::int64_t width) {
    if (!name.empty()) plan.norm(layer + name, width, /*bias=*/false);
  };
  plan.matrix(names.words + ".weight", c.vocabulary, c.width);
  norm("", names.embedding_norm, c.width);
  for (int i = 0; i < c.layers; ++i) {
    plan.in_layer(i);
    const std::string layer = layer_name(i);
    if (i > 0 || c.first_attention_norm) norm(layer, names.attention_norm, c.width);
    plan.stacked(layer + name_of(names.qkv), in_layer(i, names.qkv), qkv_rows(c), c.width,
                 c.attention_bias);
    norm(layer, names.query_norm, c.head_dim);
    norm(layer, names.key_norm, c.head_dim);
    plan.dense(layer + names.attention_output, c.width, qkv_rows(c)[0], c.attention_bias);
    norm(layer, names.after_attention, c.width);
    norm(layer, names.mlp_norm, c.width);
    plan.stacked(layer + name_of(names.gate_up), in_layer(i, names.gate_up),
                 std::vector<std::int64_t>{c.inner, c.inner}, c.width, c.mlp_bias);
    plan.dense(layer + names.down, c.width, c.inner, c.mlp_bias);
    norm(layer, names.after_mlp, c.width);
  }
  // It belongs to the last layer, also where that is frozen; with no layers to the embeddings.
  plan.in_layer(c.layers - 1);
  norm("", names.final_norm, c.width);
  return {plan.take(), prefix, [c](const ParameterStore& parameters) {
            return std::make_unique<PreNormEncoder>(c, parameters);
          }};
}

PreNormEncoder::PreNormEncoder(const PreNormConfig& config, const ParameterStore& parameters)
    : config_(config) {
  const PreNormNames& names = config.names;
  const auto norm = [&](const std::string& layer, const std::string& name) {
    return name.empty() ? at::Tensor() : parameters.get(layer + name + ".weight");
  };
  embeddings_.word = parameters.get(names.words + ".weight");
  embeddings_.padding_row = config.padding_token;
  // Positions and types are not embedded: one row of zeros stands for both.
  embeddings_.position = at::zeros({1, config.width}, embeddings_.word.options());
  embeddings_.token_type = embeddings_.position;
  embedding_norm_ = norm("", names.embedding_norm);
  final_norm_ = norm("", names.final_norm);
  for (int i = 0; i < config.layers; ++i) {
    const std::string layer = layer_name(i);
    layers_.push_back(
        {linear_of(parameters, layer + name_of(names.qkv), config.attention_bias),
         linear_of(parameters, layer + names.attention_output, config.attention_bias),
         linear_of(parameters, layer + name_of(names.gate_up), config.mlp_bias),
         linear_of(parameters, layer + names.down, config.mlp_bias),
         i > 0 || config.first_attention_norm ? norm(layer, names.attention_norm) : at::Tensor(),
         norm(layer, names.mlp_norm), norm(layer, names.after_attention),
         norm(layer, names.after_mlp), norm(layer, names.query_norm), norm(layer, names.key_norm)});
  }
}

void PreNormEncoder::pack_weights(at::ScalarType products) {
  for (Layer& layer : layers_)
    for (Linear* part : {&layer.qkv, &layer.attention_output, &layer.gate_up, &layer.down})
      pack(*part, products);
}

std::vector<LinearModule> PreNormEncoder::linear_modules() {
  std::vector<LinearModule> modules;
  const PreNormNames& names = config_.names;
  for (int i = 0; i < config_.layers; ++i) {
    Layer& layer = layers_[i];
    const auto add = [&](const std::string& name, Linear& linear, std::int64_t first,
                         std::int64_t rows, DropoutSite site) {
      modules.push_back({layer_name(i) + name, &linear, first, rows, i, site});
    };
    const std::vector<std::int64_t> rows = qkv_rows(config_);
    const DropoutSite sites[] = {DropoutSite::kQueryLowRank, DropoutSite::kKeyLowRank,
                                 DropoutSite::kValueLowRank};
    if (names.qkv.size() == 1) add(names.qkv[0], layer.qkv, 0, sum(rows), sites[0]);
    for (std::int64_t part = 0, first = 0; names.qkv.size() == 3 && part < 3; ++part) {
      add(names.qkv[part], layer.qkv, first, rows[part], sites[part]);
      first += rows[part];
    }
    add(names.attention_output, layer.attention_output, 0, config_.width,
        DropoutSite::kAttentionOutputLowRank);
    if (names.gate_up.size() == 1) {
      add(names.gate_up[0], layer.gate_up, 0, 2 * static_cast<std::int64_t>(config_.inner),
          DropoutSite::kIntermediateLowRank);
    } else {
      add(names.gate_up[0], layer.gate_up, 0, config_.inner, DropoutSite::kIntermediateLowRank);
      add(names.gate_up[1], layer.gate_up, config_.inner, config_.inner, DropoutSite::kUpLowRank);
    }
    add(names.down, layer.down, 0, config_.width, DropoutSite::kOutputLowRank);
  }
  return modules;
}

at::Tensor PreNormEncoder::norm(const at::Tensor& x, const at::Tensor& weight) const {
  if (config_.layer_norm)
    return at::layer_norm(x, {weight.numel()}, weight, /*bias=*/{}, config_.epsilon);
  return rms_norm(x, {weight, config_.epsilon, config_.norm_offset});
}

at::Tensor PreNormEncoder::embed(const PackedTokens& tokens, const ForwardOptions& options) const {
  const PackedTokens placed = with_positions(
      tokens, at::zeros(tokens.positions.sizes(), tokens.positions.options()), /*rows=*/1);
  at::Tensor x = embed_tokens(placed, embeddings_);
  if (config_.embedding_scale != 1) x = x * config_.embedding_scale;
  if (embedding_norm_.defined()) x = norm(x, embedding_norm_);
  return dropped(x, config_.embedding_dropout, DropoutSite::kEmbeddings, 0, tokens, options);
}

at::Tensor PreNormEncoder::attend(const at::Tensor& x, int index, const RotaryAngles& angles,
                                  const PackedTokens& tokens, const ForwardOptions& options) const {
  const Layer& layer = layers_[index];
  const PreNormConfig& c = config_;
  at::Tensor qkv = linear(x, layer.qkv, tokens, options);
  if (layer.query_norm.defined())
    qkv = norm_query_and_key(qkv, {layer.query_norm, c.epsilon, c.norm_offset},
                             {layer.key_norm, c.epsilon, c.norm_offset}, c.heads, c.kv_heads);
  qkv = rotate(qkv, angles, c.heads, c.kv_heads, c.head_dim);
  const PreNormLayers& kind = c.kinds[c.kind_of_layer[index]];
  const AttentionSpec spec{c.heads,    c.head_dim,        options.probability(c.attention_dropout),
                           c.kv_heads, c.attention_scale, kind.left,
                           kind.right};
  const at::Tensor context = attention(qkv, tokens, spec, options, index);
  const at::Tensor y =
      dropped(linear(context, layer.attention_output, tokens, options), c.attention_output_dropout,
              DropoutSite::kAttentionOutput, index, tokens, options);
  return layer.after_attention.defined() ? norm(y, layer.after_attention) : y;
}

at::Tensor PreNormEncoder::feed_forward(const at::Tensor& x, int index, const PackedTokens& tokens,
                                        const ForwardOptions& options) const {
  const Layer& layer = layers_[index];
  const at::Tensor inner =
      dropped(gated(linear(x, layer.gate_up, tokens, options), glu_activation(config_.activation)),
              config_.mlp_dropout, DropoutSite::kInner, index, tokens, options);
  const at::Tensor y = linear(inner, layer.down, tokens, options);
  return layer.after_mlp.defined() ? norm(y, layer.after_mlp) : y;
}

Stream PreNormEncoder::layer_forward(const Stream& stream, int index, const RotaryAngles& angles,
                                     const PackedTokens& tokens,
                                     const ForwardOptions& options) const {
  const at::Tensor middle = stream.residual + attend(stream.input, index, angles, tokens, options);
  const at::Tensor x = norm(middle, layers_[index].mlp_norm).to(options.compute);
  const at::Tensor residual = middle + feed_forward(x, index, tokens, options);
  if (index + 1 == config_.layers) return {residual, residual};  // the final norm is in fp32
  return {residual, norm(residual, layers_[index + 1].attention_norm).to(options.compute)};
}

at::Tensor PreNormEncoder::forward(const PackedTokens& tokens,
                                   const ForwardOptions& options) const {
  std::vector<RotaryAngles> angles;
  for (const PreNormLayers& kind : config_.kinds)
    angles.push_back(rotary_angles(kind.rotary, tokens));
  Stream stream;
  stream.residual = embed(tokens, options);
  stream.input = stream.residual;
  if (config_.layers > 0 && config_.first_attention_norm)
    stream.input = norm(stream.residual, layers_[0].attention_norm);
  stream.input = stream.input.to(options.compute);
  for (int i = 0; i < config_.layers; ++i) {
    const RotaryAngles& turn = angles[config_.kind_of_layer[i]];
    stream = run_layer(stream, options, [this, i, turn, tokens, options](const Stream& x) {
      return layer_forward(x, i, turn, tokens, options);
    });
  }
  return norm(stream.residual, final_norm_);
}

}  // namespace attune
