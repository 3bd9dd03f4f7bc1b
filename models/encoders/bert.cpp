#include "models/encoders/bert.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>

#include "core/error.h"
#include "models/dropout.h"
#include "models/recompute.h"

namespace attune {
namespace {

void read_int(const Json& json, const char* key, const std::string& path, int minimum, int maximum,
              int& value) {
  if (!json.contains(key) || json[key].is_null()) return;
  if (!json[key].is_number_integer() || json[key].get<std::int64_t>() < minimum ||
      json[key].get<std::int64_t>() > maximum)
    throw_error(ErrorKind::kData, path, ": \"", key, "\" is ", json[key].dump(),
                ", expected an integer from ", minimum, " to ", maximum);
  value = json[key].get<int>();
}

void read_number(const Json& json, const char* key, const std::string& path, double below,
                 double& value) {
  if (!json.contains(key) || json[key].is_null()) return;
  if (!json[key].is_number() || !(json[key].get<double>() >= 0 && json[key].get<double>() < below))
    throw_error(ErrorKind::kData, path, ": \"", key, "\" is ", json[key].dump(),
                ", expected a number from 0 to below ", below);
  value = json[key].get<double>();
}

void read_choice(const Json& json, const char* key, const std::string& path,
                 std::initializer_list<const char*> known, std::string& value) {
  if (!json.contains(key) || json[key].is_null()) return;
  std::string names;
  for (const char* name : known) {
    if (json[key] == name) {
      value = name;
      return;
    }
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  throw_error(ErrorKind::kData, path, ": \"", key, "\" is ", json[key].dump(),
              ", supported: ", names);
}

double active(double model_probability, const ForwardOptions& options) {
  return options.training ? options.dropout.value_or(model_probability) : 0;
}

}  // namespace

BertConfig BertConfig::from_json(const Json& json, const std::string& path) {
  BertConfig config;
  read_int(json, "vocab_size", path, 1, 10'000'000, config.vocab_size);
  read_int(json, "hidden_size", path, 1, 16'384, config.hidden_size);
  read_int(json, "num_hidden_layers", path, 0, 1'000, config.num_hidden_layers);
  read_int(json, "num_attention_heads", path, 1, 1'024, config.num_attention_heads);
  read_int(json, "intermediate_size", path, 1, 131'072, config.intermediate_size);
  read_int(json, "max_position_embeddings", path, 2, 1'000'000, config.max_position_embeddings);
  read_int(json, "type_vocab_size", path, 1, 10'000, config.type_vocab_size);
  read_int(json, "pad_token_id", path, 0, config.vocab_size - 1, config.pad_token_id);
  read_number(json, "hidden_dropout_prob", path, 1, config.hidden_dropout_prob);
  read_number(json, "attention_probs_dropout_prob", path, 1, config.attention_probs_dropout_prob);
  read_number(json, "layer_norm_eps", path, 1, config.layer_norm_eps);
  read_choice(json, "hidden_act", path, {"gelu", "gelu_new", "gelu_pytorch_tanh", "relu"},
              config.hidden_act);
  std::string positions;
  read_choice(json, "position_embedding_type", path, {"absolute"}, positions);
  const int head_dim = config.hidden_size / config.num_attention_heads;
  if (config.hidden_size % config.num_attention_heads != 0 || head_dim > 256)
    throw_error(ErrorKind::kData, path, ": hidden_size ", config.hidden_size,
                " and num_attention_heads ", config.num_attention_heads,
                ": heads must divide the width into parts of at most 256");
  return config;
}

EncoderPlan plan_bert(const Json& json, const std::string& config_path) {
  const BertConfig c = BertConfig::from_json(json, config_path);
  const std::int64_t d = c.hidden_size, inner = c.intermediate_size;
  EncoderPlan plan;
  plan.weight_prefix = "bert.";
  int layer_index = ParameterSpec::kEmbeddings;
  const auto matrix = [&](const std::string& name, std::vector<std::int64_t> shape) {
    plan.parameters.push_back({name, std::move(shape), {name}, true, layer_index});
  };
  const auto vector = [&](const std::string& name, std::int64_t size) {
    plan.parameters.push_back({name, {size}, {name}, false, layer_index});
  };
  const auto norm = [&](const std::string& name) {
    vector(name + ".weight", d);
    vector(name + ".bias", d);
  };
  const auto dense = [&](const std::string& name, std::int64_t out, std::int64_t in) {
    matrix(name + ".weight", {out, in});
    vector(name + ".bias", out);
  };
  matrix("embeddings.word_embeddings.weight", {c.vocab_size, d});
  matrix("embeddings.position_embeddings.weight", {c.max_position_embeddings, d});
  matrix("embeddings.token_type_embeddings.weight", {c.type_vocab_size, d});
  norm("embeddings.LayerNorm");
  for (int i = 0; i < c.num_hidden_layers; ++i) {
    layer_index = i;
    const std::string layer = str_cat("encoder.layer.", i, ".");
    for (const char* kind : {"weight", "bias"}) {
      const bool is_weight = kind == std::string("weight");
      ParameterSpec qkv{layer + "attention.self.qkv." + kind, {3 * d}, {}, is_weight, i};
      if (is_weight) qkv.shape.push_back(d);
      for (const char* part : {"query", "key", "value"})
        qkv.stored_names.push_back(layer + "attention.self." + part + "." + kind);
      plan.parameters.push_back(std::move(qkv));
    }
    dense(layer + "attention.output.dense", d, d);
    norm(layer + "attention.output.LayerNorm");
    dense(layer + "intermediate.dense", inner, d);
    dense(layer + "output.dense", d, inner);
    norm(layer + "output.LayerNorm");
  }
  plan.build = [c](const ParameterStore& parameters) {
    return std::make_unique<BertEncoder>(c, parameters);
  };
  return plan;
}

BertEncoder::BertEncoder(const BertConfig& config, const ParameterStore& parameters)
    : config_(config) {
  const auto dense = [&](const std::string& name) {
    return Linear{parameters.get(name + ".weight"), parameters.get(name + ".bias")};
  };
  const auto norm = [&](const std::string& name) {
    return LayerNorm{parameters.get(name + ".weight"), parameters.get(name + ".bias"),
                     config.layer_norm_eps};
  };
  embeddings_ = {parameters.get("embeddings.word_embeddings.weight"),
                 parameters.get("embeddings.position_embeddings.weight"),
                 parameters.get("embeddings.token_type_embeddings.weight"), config.pad_token_id};
  embedding_norm_ = norm("embeddings.LayerNorm");
  for (int i = 0; i < config.num_hidden_layers; ++i) {
    const std::string layer = str_cat("encoder.layer.", i, ".");
    layers_.push_back({dense(layer + "attention.self.qkv"), dense(layer + "attention.output.dense"),
                       dense(layer + "intermediate.dense"), dense(layer + "output.dense"),
                       norm(layer + "attention.output.LayerNorm"),
                       norm(layer + "output.LayerNorm")});
  }
}

void BertEncoder::pack_weights(at::ScalarType products) {
  for (Layer& layer : layers_)
    for (Linear* part : {&layer.qkv, &layer.attention_output, &layer.intermediate, &layer.output})
      pack(*part, products);
}

std::vector<LinearModule> BertEncoder::linear_modules() {
  std::vector<LinearModule> modules;
  const std::int64_t d = config_.hidden_size;
  for (int i = 0; i < config_.num_hidden_layers; ++i) {
    Layer& layer = layers_[i];
    const auto add = [&](const char* name, Linear& linear, std::int64_t first, std::int64_t rows,
                         DropoutSite site) {
      modules.push_back({str_cat("encoder.layer.", i, ".", name), &linear, first, rows, i, site});
    };
    add("attention.self.query", layer.qkv, 0, d, DropoutSite::kQueryLowRank);
    add("attention.self.key", layer.qkv, d, d, DropoutSite::kKeyLowRank);
    add("attention.self.value", layer.qkv, 2 * d, d, DropoutSite::kValueLowRank);
    add("attention.output.dense", layer.attention_output, 0, d,
        DropoutSite::kAttentionOutputLowRank);
    add("intermediate.dense", layer.intermediate, 0, config_.intermediate_size,
        DropoutSite::kIntermediateLowRank);
    add("output.dense", layer.output, 0, d, DropoutSite::kOutputLowRank);
  }
  return modules;
}

at::Tensor BertEncoder::intermediate(const at::Tensor& x, const Linear& layer,
                                     const PackedTokens& tokens,
                                     const ForwardOptions& options) const {
  if (config_.hidden_act == "gelu") return linear_gelu(x, layer, tokens, options);
  const at::Tensor z = linear(x, layer, tokens, options);
  return config_.hidden_act == "relu" ? at::relu(z) : at::gelu(z, "tanh");
}

Stream BertEncoder::layer_forward(const Stream& stream, int index, const PackedTokens& tokens,
                                  const ForwardOptions& options) const {
  const Layer& layer = layers_[index];
  const auto mask = [&](DropoutSite site) {
    return Dropout::make(active(config_.hidden_dropout_prob, options), options.seed, options.step,
                         index, site);
  };
  const AttentionSpec spec{config_.num_attention_heads,
                           config_.hidden_size / config_.num_attention_heads,
                           active(config_.attention_probs_dropout_prob, options)};
  const at::Tensor context =
      attention(linear(stream.input, layer.qkv, tokens, options), tokens, spec, options, index);
  const Stream middle = add_layer_norm(linear(context, layer.attention_output, tokens, options),
                                       stream.residual, layer.attention_norm, tokens,
                                       mask(DropoutSite::kAttentionOutput), options.compute);
  const at::Tensor inner = intermediate(middle.input, layer.intermediate, tokens, options);
  return add_layer_norm(linear(inner, layer.output, tokens, options), middle.residual,
                        layer.output_norm, tokens, mask(DropoutSite::kOutput), options.compute);
}

at::Tensor BertEncoder::forward(const PackedTokens& tokens, const ForwardOptions& options) const {
  const at::Tensor embedded = add_layer_norm(embed_tokens(tokens, embeddings_), /*residual=*/{},
                                             embedding_norm_, tokens, /*dropout=*/{}, at::kFloat)
                                  .residual;
  const at::Tensor x =
      dropout(embedded, tokens,
              Dropout::make(active(config_.hidden_dropout_prob, options), options.seed,
                            options.step, 0, DropoutSite::kEmbeddings));
  Stream stream{x, x.to(options.compute)};
  for (int i = 0; i < config_.num_hidden_layers; ++i)
    stream = run_layer(stream, options, [this, i, tokens, options](const Stream& x) {
      return layer_forward(x, i, tokens, options);
    });
  return stream.residual;
}

}  // namespace attune
