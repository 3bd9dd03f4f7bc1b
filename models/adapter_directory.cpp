#include "models/adapter_directory.h"

#include <map>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>

#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "models/adapters/registry.h"
#include "models/torch_state_file.h"
#include "models/weights_file.h"

namespace attune {
namespace {

Json read_if_there(const std::string& path) {
  return file_exists(path) ? read_json_file(path) : Json::object();
}

std::vector<NamedTensor> named_tensors(const Adapter& adapter) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : adapter.parameters())
    tensors.push_back({name, tensor.detach()});
  return tensors;
}

}  // namespace

bool is_adapter_directory(const std::string& directory) {
  if (!file_exists(directory + "/config.json")) return false;
  const Json sidecar = read_if_there(directory + "/attune.json");
  if (sidecar.is_object() && sidecar.contains("adapter")) return true;
  const Json config = read_json_file(directory + "/config.json");
  return config.is_object() && config.contains("in_features") && !config.contains("model_type");
}

std::string saved_type(const Adapter& adapter, const std::string& type) {
  return adapter.merged() ? "linear" : type;  // the one kind that others fold into
}

void save_adapter(const Adapter& adapter, const std::string& type, AdapterSides sides,
                  const std::string& directory, Json sidecar, const std::string& card) {
  const std::unique_ptr<Adapter> merged = adapter.merged();
  const Adapter& saved = merged ? *merged : adapter;
  const std::vector<NamedTensor> tensors = named_tensors(saved);
  for (const NamedTensor& tensor : tensors)
    if (!at::isfinite(tensor.tensor).all().item<bool>())
      throw_error(ErrorKind::kDiverged, directory, ": not written: ", tensor.name,
                  " holds NaN or infinity");
  Json& own = sidecar["adapter"];
  own["type"] = saved_type(adapter, type);
  own["sides"] = sides == AdapterSides::kBoth ? "both" : "query";
  DurableDirectory out(directory);
  out.write("config.json", saved.config_json());
  if (sides == AdapterSides::kQuery) out.write("pytorch_model.bin", torch_state_bytes(tensors));
  write_safetensors(out, "model.safetensors", tensors);
  out.write("attune.json", sidecar.dump(2) + "\n");
  if (!card.empty()) out.write("README.md", card);
  out.commit();
}

SavedAdapter load_adapter(const std::string& directory) {
  const std::string config_path = directory + "/config.json";
  const Json config = read_json_file(config_path);
  SavedAdapter result;
  result.sidecar = read_if_there(directory + "/attune.json");
  if (!config.is_object() || !result.sidecar.is_object())
    throw_error(ErrorKind::kData, directory, ": config.json and attune.json must hold objects");
  // LlamaIndex does not record the class: its two are told apart by their keys.
  result.type = config.contains("hidden_features") ? "two_layer" : "linear";
  if (const auto own = result.sidecar.find("adapter");
      own != result.sidecar.end() && own->is_object()) {
    if (own->contains("type") && (*own)["type"].is_string())
      result.type = (*own)["type"].get<std::string>();
    const Json sides = own->value("sides", Json("query"));  // those of before had no such key
    if (sides != "query" && sides != "both")
      throw_error(ErrorKind::kData, directory, "/attune.json: the adapter's sides are ",
                  sides.dump(), ", expected \"query\" or \"both\"");
    if (sides == "both") result.sides = AdapterSides::kBoth;
  }
  try {
    result.adapter = make_adapter(result.type, config, /*seed=*/0);
  } catch (const Error& error) {
    throw_error(ErrorKind::kData, config_path, ": ", error.what());
  }
  std::map<std::string, at::Tensor> stored =
      read_state(directory + "/model.safetensors", directory + "/pytorch_model.bin");
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : result.adapter->parameters()) {
    const auto found = stored.find(name);
    if (found == stored.end())
      throw_error(ErrorKind::kData, directory, ": the tensor '", name, "' is missing");
    if (found->second.sizes() != tensor.sizes())
      throw_error(ErrorKind::kData, directory, ": the tensor '", name,
                  "' has another shape than config.json asks for");
    at::Tensor target = tensor;
    target.copy_(found->second);
    stored.erase(found);
  }
  if (!stored.empty())
    throw_error(ErrorKind::kData, directory, ": config.json has no place for the tensor '",
                stored.begin()->first, "'");
  return result;
}

}  // namespace attune
