#include "models/lora_directory.h"

#include <map>
#include <set>

#include <ATen/core/Tensor.h>

#include "core/error.h"
#include "core/file.h"
#include "models/torch_state_file.h"
#include "models/weights_file.h"

namespace attune {
namespace {

// As PEFT names the matrices of module M: base_model.model.M.lora_A.weight.
const std::string kPrefix = "base_model.model.", kA = ".lora_A.weight", kB = ".lora_B.weight";

std::string config_path(const std::string& directory) { return directory + "/adapter_config.json"; }

std::string weights_path(const std::string& directory) {
  return directory + "/adapter_model.safetensors";
}

std::string pickle_path(const std::string& directory) { return directory + "/adapter_model.bin"; }

Json read_config(const std::string& directory) {
  Json config = read_json_file(config_path(directory));
  if (!config.is_object())
    throw_error(ErrorKind::kData, config_path(directory), ": expected a JSON object");
  return config;
}

bool is_off(const Json& value) {
  return value.is_null() || value == false || value == "none" ||
         ((value.is_object() || value.is_array()) && value.empty());
}

// What changes nothing of what the matrices do. Every other key must be switched off.
const std::set<std::string> kHarmless = {"auto_mapping",      "base_model_name_or_path",
                                         "inference_mode",    "lora_alpha",
                                         "lora_dropout",      "megatron_core",
                                         "peft_type",         "peft_version",
                                         "qalora_group_size", "r",
                                         "revision",          "target_modules",
                                         "task_type",         "init_lora_weights"};

void check_supported(const Json& config, const std::string& path) {
  if (config.value("peft_type", Json()) != "LORA")
    throw_error(ErrorKind::kData, path, ": peft_type is ", config.value("peft_type", Json()).dump(),
                ", supported: \"LORA\"");
  for (const auto& [key, value] : config.items())
    if (!kHarmless.count(key) && !is_off(value))
      throw_error(ErrorKind::kData, path, ": \"", key, "\" is ", value.dump(),
                  ": not supported. Merge it in Python (merge_and_unload) and load that model");
  // The other ways to begin (pissa, olora, ...) change the base's weights as well.
  if (const Json begin = config.value("init_lora_weights", Json(true));
      !begin.is_boolean() && begin != "gaussian")
    throw_error(ErrorKind::kData, path, ": \"init_lora_weights\" is ", begin.dump(),
                ", supported: true, false and \"gaussian\"");
}

double read_positive(const Json& config, const char* key, const std::string& path) {
  const Json value = config.value(key, Json());
  if (!value.is_number() || !(value.get<double>() > 0) || value.get<double>() > 1e6)
    throw_error(ErrorKind::kData, path, ": \"", key, "\" is ", value.dump(),
                ", expected a positive number");
  return value.get<double>();
}

// "base_model.model.encoder...query.lora_A.weight" to "encoder...query".
std::string module_of(const std::string& tensor, const std::string& path) {
  if (!tensor.starts_with(kPrefix) || !(tensor.ends_with(kA) || tensor.ends_with(kB)) ||
      tensor.size() <= kPrefix.size() + kA.size())
    throw_error(ErrorKind::kData, path, ": tensor '", tensor, "' is not supported; expected ",
                kPrefix, "MODULE", kA, " or ", kB);
  return tensor.substr(kPrefix.size(), tensor.size() - kPrefix.size() - kA.size());
}

}  // namespace

bool is_lora_directory(const std::string& directory) { return file_exists(config_path(directory)); }

std::string lora_base(const std::string& directory) {
  const Json base = read_config(directory).value("base_model_name_or_path", Json());
  return base.is_string() ? base.get<std::string>() : "";
}

Lora read_lora(const std::string& directory) {
  const Json config = read_config(directory);
  check_supported(config, config_path(directory));
  const double rank = read_positive(config, "r", config_path(directory));
  if (rank != static_cast<int>(rank))
    throw_error(ErrorKind::kData, config_path(directory), ": \"r\" is ", rank,
                ", expected a whole number");
  Lora lora{
      static_cast<int>(rank), read_positive(config, "lora_alpha", config_path(directory)), {}};
  const std::string path = weights_path(directory);
  std::map<std::string, LoraModule> modules;
  for (const auto& [name, tensor] : read_state(path, pickle_path(directory))) {
    const std::string module = module_of(name, path);
    if (module.ends_with("pooler.dense")) continue;
    modules[module].name = module;
    (name.ends_with(kA) ? modules[module].a : modules[module].b) = tensor;
  }
  for (auto& [name, module] : modules) {
    if (!module.a.defined() || !module.b.defined())
      throw_error(ErrorKind::kData, path, ": of ", name, " only one of lora_A and lora_B is there");
    lora.modules.push_back(std::move(module));
  }
  if (lora.modules.empty()) throw_error(ErrorKind::kData, path, ": holds no matrices");
  return lora;
}

Fingerprint lora_fingerprint(const std::string& directory) {
  const std::string weights = weights_path(directory), pickle = pickle_path(directory);
  return sha256(sha256_file(config_path(directory)) +
                sha256_file(file_exists(weights) || !file_exists(pickle) ? weights : pickle));
}

std::vector<NamedTensor> lora_tensors(const LoraModule& module) {
  return {{kPrefix + module.name + kA, module.a}, {kPrefix + module.name + kB, module.b}};
}

void write_lora(DurableDirectory& out, const Lora& lora, double dropout, const std::string& base) {
  Json targets = Json::array();
  std::vector<NamedTensor> tensors;
  for (const LoraModule& module : lora.modules) {
    targets.push_back(module.name);
    for (NamedTensor& tensor : lora_tensors(module)) tensors.push_back(std::move(tensor));
  }
  Json config = {{"auto_mapping", nullptr},
                 {"base_model_name_or_path", base},
                 {"bias", "none"},
                 {"fan_in_fan_out", false},
                 {"inference_mode", true},
                 {"init_lora_weights", true},
                 {"layers_to_transform", nullptr},
                 {"lora_alpha", lora.alpha},
                 {"lora_dropout", dropout},
                 {"modules_to_save", nullptr},
                 {"peft_type", "LORA"},
                 {"r", lora.rank},
                 {"target_modules", targets},
                 {"task_type", "FEATURE_EXTRACTION"},
                 {"use_dora", false},
                 {"use_rslora", false}};
  if (lora.alpha == static_cast<std::int64_t>(lora.alpha))
    config["lora_alpha"] = static_cast<std::int64_t>(lora.alpha);
  out.write("adapter_config.json", config.dump(2) + "\n");
  write_safetensors(out, "adapter_model.safetensors", tensors);
}

}  // namespace attune
