#include "models/adapter_export.h"

#include <filesystem>
#include <map>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include "core/durable.h"
#include "core/error.h"
#include "models/adapter_embedding.h"
#include "models/artifact.h"
#include "models/encoder_embedding.h"

namespace attune {
namespace {

std::string text_of(const Json& json) { return json.dump(2) + "\n"; }

// activation(x weight^T + bias) + x residual^T
struct AdapterLayer {
  Dense dense;
  at::Tensor residual = {};
};

AdapterLayer make_layer(const std::string& activation, const at::Tensor& weight,
                        const at::Tensor& bias, const at::Tensor& residual = {}) {
  Dense dense;
  dense.in_features = weight.size(1);
  dense.out_features = weight.size(0);
  dense.bias = bias.defined();
  dense.activation = activation;
  dense.linear = {weight, bias};
  return {dense, residual};
}

// LlamaIndex's name of an activation as torch.nn's.
std::string torch_name(const std::string& activation) {
  static const std::map<std::string, std::string> kNames = {
      {"relu", "ReLU"}, {"sigmoid", "Sigmoid"}, {"tanh", "Tanh"}, {"leaky_relu", "LeakyReLU"}};
  return kNames.at(activation);
}

std::vector<AdapterLayer> two_layer_modules(const Json& config,
                                            std::map<std::string, at::Tensor>& w) {
  const std::string activation = torch_name(config.at("activation_fn_str").get<std::string>());
  const at::Tensor w1 = w.at("linear1.weight"), b1 = w.at("linear1.bias"),
                   w2 = w.at("linear2.weight"), b2 = w.at("linear2.bias");
  if (!config.at("add_residual").get<bool>())
    return {make_layer(activation, w1, b1), make_layer("Identity", w2, b2)};
  // Rows of zeros give act(bias), which is 0: by a bias of 0, or where the sigmoid underflows.
  const std::int64_t hidden = w1.size(0), d = w1.size(1);
  const at::Tensor silent = at::full({d}, activation == "Sigmoid" ? -200.0 : 0.0);
  const at::Tensor r = w.at("residual_weight");
  return {make_layer(activation, at::cat({w1, at::zeros({d, d})}), at::cat({b1, silent}),
                     at::cat({at::zeros({hidden, d}), at::eye(d)})),
          make_layer("Identity", at::cat({w2 * r, at::eye(d)}, 1), b2 * r)};
}

std::vector<AdapterLayer> dense_modules(const SavedAdapter& saved, const std::string& place) {
  const at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> w;
  for (const auto& [name, tensor] : saved.adapter->parameters()) w[name] = tensor;
  if (saved.type == "linear")
    return {make_layer("Identity", w.at("linear.weight"), w["linear.bias"])};
  if (saved.type == "two_layer")
    return two_layer_modules(parse_json(saved.adapter->config_json(), place), w);
  throw_error(
      ErrorKind::kConfig, place, ": an adapter of the type '", saved.type,
      "' is not what sentence-transformers' modules compute; linear, two_layer and low_rank "
      "are exported");
}

void write_layer(const AdapterLayer& layer, const std::string& folder, DurableDirectory& out) {
  Json config = dense_json(layer.dense);
  const Linear& linear = layer.dense.linear;
  std::vector<NamedTensor> tensors = {{"linear.weight", linear.weight.contiguous()}};
  if (layer.dense.bias) tensors.push_back({"linear.bias", linear.bias.contiguous()});
  if (layer.residual.defined()) {
    config["use_residual"] = true;
    tensors.push_back({"residual.weight", layer.residual.contiguous()});
  }
  out.write(folder + "config.json", text_of(config));
  write_safetensors(out, folder + "model.safetensors", tensors);
}

std::string module_type(const std::string& kind) { return "sentence_transformers.models." + kind; }

// Writes each module below `prefix` + its name; returns [(name, type)] in order.
class ModuleWriter {
 public:
  ModuleWriter(std::string prefix, DurableDirectory& out) : prefix_(std::move(prefix)), out_(out) {}
  // The folder for the next module's files.
  std::string next(const std::string& kind) {
    const std::string name = prefix_ + std::to_string(modules.size()) + "_" + kind;
    modules.emplace_back(name, module_type(kind));
    return name + "/";
  }
  void write_base(const EmbeddingModel& model) {
    write_transformer(model, next("Transformer"), out_);
    write_pooling(model, next("Pooling"), out_);
    for (std::size_t i = 0; i < model.directory().dense.size(); ++i)
      write_dense(model, i, next("Dense"), out_);
    // A file, since hubs and archives drop empty directories.
    if (model.directory().normalize) out_.write(next("Normalize") + "config.json", "{}\n");
  }
  void write_adapter(const std::vector<AdapterLayer>& dense) {
    for (const AdapterLayer& module : dense) write_layer(module, next("Dense"), out_);
  }
  std::vector<std::pair<std::string, std::string>> modules;

 private:
  std::string prefix_;
  DurableDirectory& out_;
};

Json modules_json(const std::vector<std::pair<std::string, std::string>>& modules) {
  Json list = Json::array();
  for (const auto& [path, type] : modules)
    list.push_back({{"idx", list.size()},
                    {"name", std::to_string(list.size())},
                    {"path", path},
                    {"type", type}});
  return list;
}

void write_router(const EmbeddingModel& model, const std::vector<AdapterLayer>& dense,
                  DurableDirectory& out) {
  ModuleWriter writer("query_", out);
  writer.write_base(model);
  const std::size_t shared = writer.modules.size();
  writer.write_adapter(dense);
  Json config = {{"types", Json::object()},
                 {"structure", {{"query", Json::array()}, {"document", Json::array()}}},
                 {"parameters", {{"default_route", "document"}, {"allow_empty_key", true}}}};
  for (std::size_t i = 0; i < writer.modules.size(); ++i) {
    const auto& [name, type] = writer.modules[i];
    config["types"][name] = type;
    config["structure"]["query"].push_back(name);
    if (i < shared) config["structure"]["document"].push_back(name);
  }
  out.write("router_config.json", text_of(config));
  out.write("modules.json", text_of(modules_json({{"", module_type("Router")}})));
}

void write_chain(const EmbeddingModel& model, const std::vector<AdapterLayer>& dense,
                 DurableDirectory& out) {
  ModuleWriter writer("", out);
  writer.write_base(model);
  writer.write_adapter(dense);
  out.write("modules.json", text_of(modules_json(writer.modules)));
}

std::string card(const ExportedAdapter& exported) {
  return str_cat(
      "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\ntags:\n"
      "- sentence-transformers\n- feature-extraction\n---\n\n# Embedding model with an adapter, "
      "exported by attune\n\nNeeds sentence-transformers ",
      exported.oldest_release,
      " or later.\n\n```python\nfrom sentence_transformers import SentenceTransformer\n\n"
      "model = SentenceTransformer(\"PATH\")\nqueries = model.encode_query([\"...\"])\n"
      "passages = model.encode_document([\"...\"])\n```\n");
}

}  // namespace

ExportedAdapter export_adapter(const std::string& directory, const EmbedOptions& options,
                               const std::string& output) {
  std::error_code ignored;
  if (std::filesystem::exists(output, ignored))
    throw_error(ErrorKind::kConfig, output, ": is there already; give another --output");
  AdapterWithBase loaded = load_adapter_with_base(directory, options);
  const auto* base = dynamic_cast<const EncoderEmbedding*>(loaded.base.get());
  if (base == nullptr)
    throw_error(ErrorKind::kConfig, directory, ": its base, ", loaded.base->model_name(),
                ", is no local encoder, so there are no modules to write");
  const std::vector<AdapterLayer> dense = dense_modules(loaded.saved, directory);
  // Refuses an adapter that does not fit this base.
  const AdapterEmbeddingModel fits(loaded.base, std::move(loaded.saved.adapter),
                                   loaded.saved.sides);
  const bool both = loaded.saved.sides == AdapterSides::kBoth;
  const bool has_residual = dense[0].residual.defined();
  const ExportedAdapter exported{both ? "Dense" : "Router", has_residual ? "5.7" : "5.0"};
  DurableDirectory out(output);
  if (both)
    write_chain(base->model(), dense, out);
  else
    write_router(base->model(), dense, out);
  write_st_config(base->model(), out);
  // "adapter" would make the directory one of an adapter.
  Json lineage = loaded.saved.sidecar;
  if (lineage.contains("adapter")) {
    lineage["exported_adapter"] = lineage["adapter"];
    lineage.erase("adapter");
    lineage.erase("card");  // of the adapter alone
  }
  out.write("attune.json", text_of(lineage));
  out.write("README.md", card(exported));
  out.commit();
  return exported;
}

}  // namespace attune
