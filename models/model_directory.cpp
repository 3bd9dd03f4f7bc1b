#include "models/model_directory.h"
#include "models/job_model.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "data/tokenizers/bare_tokenizer.h"
#include "models/encoders/static_embedding.h"
#include "models/lora_directory.h"

namespace attune {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMaxJson = 256 << 20;

Json read_part(const fs::path& path) {
  try {
    return read_json_file(path.string(), kMaxJson);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kData) throw;
    throw Error(error.kind(), str_cat(error.what(),
                                      "; a file of the model is missing or damaged: "
                                      "fetch the model again"));
  }
}

Json read_object(const fs::path& path) {
  Json json = read_part(path);
  if (!json.is_object()) throw_error(ErrorKind::kData, path.string(), ": expected a JSON object");
  return json;
}

Json read_object_if_there(const fs::path& path) {
  return file_exists(path.string()) ? read_object(path) : Json::object();
}

bool read_bool(const Json& json, const char* key, bool otherwise, const std::string& path) {
  if (!json.contains(key)) return otherwise;
  if (!json[key].is_boolean())
    throw_error(ErrorKind::kData, path, ": \"", key, "\" is ", json[key].dump(),
                ", expected true or false");
  return json[key].get<bool>();
}

// A positive length; the huge number that transformers writes for "no limit" counts as none (0).
int read_length(const Json& json, const char* key, const std::string& path) {
  if (!json.contains(key) || json[key].is_null()) return 0;
  if (!json[key].is_number() || json[key].get<double>() < 1)
    throw_error(ErrorKind::kData, path, ": \"", key, "\" is ", json[key].dump(),
                ", expected a positive number");
  const double value = json[key].get<double>();
  return value > 1e9 ? 0 : static_cast<int>(value);
}

// Runs a part of the reading; its mistake is thrown, or noted where all of them are wanted.
class Attempt {
 public:
  explicit Attempt(std::vector<std::string>* mistakes) : mistakes_(mistakes) {}

  template <class Part>
  void operator()(const Part& part) const {
    try {
      part();
    } catch (const Error& error) {
      if (!mistakes_) throw;
      mistakes_->push_back(error.what());
    }
  }

 private:
  std::vector<std::string>* mistakes_;
};

enum class ModuleKind { kTransformer, kStatic, kPooling, kDense, kNormalize };

ModuleKind module_kind(const std::string& type, const std::string& path) {
  static const std::pair<const char*, ModuleKind> kTypes[] = {
      {"sentence_transformers.models.Transformer", ModuleKind::kTransformer},
      {"sentence_transformers.base.modules.transformer.Transformer", ModuleKind::kTransformer},
      {"sentence_transformers.models.StaticEmbedding", ModuleKind::kStatic},
      {"sentence_transformers.models.StaticEmbedding.StaticEmbedding", ModuleKind::kStatic},
      {"sentence_transformers.sentence_transformer.modules.static_embedding.StaticEmbedding",
       ModuleKind::kStatic},
      {"sentence_transformers.models.Pooling", ModuleKind::kPooling},
      {"sentence_transformers.sentence_transformer.modules.pooling.Pooling", ModuleKind::kPooling},
      {"sentence_transformers.models.Dense", ModuleKind::kDense},
      {"sentence_transformers.base.modules.dense.Dense", ModuleKind::kDense},
      {"sentence_transformers.sentence_transformer.modules.dense.Dense", ModuleKind::kDense},
      {"sentence_transformers.models.Normalize", ModuleKind::kNormalize},
      {"sentence_transformers.base.modules.normalize.Normalize", ModuleKind::kNormalize},
      {"sentence_transformers.sentence_transformer.modules.normalize.Normalize",
       ModuleKind::kNormalize}};
  for (const auto& [name, kind] : kTypes)
    if (type == name) return kind;
  throw_error(
      ErrorKind::kData, path, ": module type '", type,
      "' is not supported; known: Transformer, StaticEmbedding, Pooling, Dense, Normalize of "
      "sentence_transformers");
}

fs::path inside(const fs::path& root, const std::string& relative, const std::string& place) {
  const fs::path path(relative);
  if (path.is_absolute() || relative.find('\\') != std::string::npos ||
      relative.find('\0') != std::string::npos ||
      std::find(path.begin(), path.end(), "..") != path.end())
    throw_error(ErrorKind::kData, place, ": path '", relative,
                "' leads out of the model's directory");
  return relative.empty() ? root : root / path;
}

std::vector<PoolingMode> read_pooling(const Json& json, const std::string& path) {
  std::vector<PoolingMode> modes;
  const auto add = [&](const std::string& name) {
    std::string known;
    for (PoolingMode mode : pooling_modes()) {
      known += (known.empty() ? "" : ", ") + std::string(pooling_name(mode));
      if (name != pooling_name(mode)) continue;
      if (std::find(modes.begin(), modes.end(), mode) != modes.end())
        throw_error(ErrorKind::kData, path, ": pooling mode '", name, "' is given twice");
      return modes.push_back(mode);
    }
    throw_error(ErrorKind::kData, path, ": pooling mode '", name,
                "' is not supported; known: ", known);
  };
  if (json.contains("pooling_mode")) {  // 5.4 and later: a name, or several
    const Json& value = json["pooling_mode"];
    for (const Json& name : value.is_array() ? value : Json::array({value})) {
      if (!name.is_string())
        throw_error(ErrorKind::kData, path, ": \"pooling_mode\" is ", value.dump());
      add(name.get<std::string>());
    }
  } else {  // classic: six switches
    for (PoolingMode mode : pooling_modes())
      if (read_bool(json, pooling_switch(mode), false, path)) modes.push_back(mode);
  }
  if (modes.empty()) throw_error(ErrorKind::kData, path, ": no pooling mode is switched on");
  return modes;
}

// Transformer and Pooling, or StaticEmbedding; any number of Dense, perhaps Normalize.
bool is_known_order(const std::vector<ModuleKind>& kinds) {
  const bool is_static = kinds[0] == ModuleKind::kStatic;
  std::size_t i = is_static ? 1 : 2;
  if (!is_static && (kinds.size() < i || kinds[0] != ModuleKind::kTransformer ||
                     kinds[1] != ModuleKind::kPooling))
    return false;
  while (i < kinds.size() && kinds[i] == ModuleKind::kDense) ++i;
  if (i < kinds.size() && kinds[i] == ModuleKind::kNormalize) ++i;
  return i == kinds.size();
}

// The width that the module says it is given; 0: it does not.
int read_pooled_width(const Json& json, const std::string& path) {
  for (const char* key : {"embedding_dimension", "word_embedding_dimension"})
    if (const int width = read_length(json, key, path)) return width;
  return 0;
}

void add_dense(const fs::path& folder, ModelDirectory& model) {
  const std::string path = (folder / "config.json").string();
  Dense dense = read_dense(read_object(path), path);
  if (!model.dense.empty() && model.dense.back().out_features != dense.in_features)
    throw_error(ErrorKind::kData, path, ": \"in_features\" is ", dense.in_features,
                ", the Dense module before gives ", model.dense.back().out_features);
  dense.folder = folder.string();
  model.dense.push_back(std::move(dense));
}

void read_pooling_module(const fs::path& folder, ModelDirectory& model) {
  const std::string path = (folder / "config.json").string();
  const Json pooling = read_object(path);
  model.pooling = read_pooling(pooling, path);
  model.pooled_width = read_pooled_width(pooling, path);
  model.pooling_path = path;
  model.include_prompt = read_bool(pooling, "include_prompt", true, path);
}

void read_modules(const fs::path& root, ModelDirectory& model, const Attempt& attempt) {
  const std::string path = (root / "modules.json").string();
  const Json modules = read_part(path);
  if (!modules.is_array() || modules.empty())
    throw_error(ErrorKind::kData, path, ": expected a list of modules");
  std::vector<ModuleKind> kinds;
  const auto read = [&](const Json& module) {
    if (!module.is_object() || !module.contains("type") || !module["type"].is_string() ||
        !module.contains("path") || !module["path"].is_string())
      throw_error(ErrorKind::kData, path, ": expected {\"type\": ..., \"path\": ...}, found ",
                  module.dump());
    kinds.push_back(module_kind(module["type"].get<std::string>(), path));
    const fs::path folder = inside(root, module["path"].get<std::string>(), path);
    if (kinds.back() == ModuleKind::kTransformer || kinds.back() == ModuleKind::kStatic)
      model.transformer_path = folder.string();
    if (kinds.back() == ModuleKind::kPooling) read_pooling_module(folder, model);
    if (kinds.back() == ModuleKind::kDense) add_dense(folder, model);
    if (kinds.back() == ModuleKind::kNormalize) model.normalize = true;
  };
  for (const Json& module : modules) attempt([&] { read(module); });
  if (kinds.size() != modules.size()) return;  // told already
  if (!is_known_order(kinds))
    throw_error(ErrorKind::kData, path,
                ": expected the modules Transformer and Pooling (or StaticEmbedding), perhaps "
                "Dense ones and perhaps Normalize, in this order");
  model.is_static = kinds[0] == ModuleKind::kStatic;
}

void read_prompts(const fs::path& root, ModelDirectory& model) {
  const fs::path file = root / "config_sentence_transformers.json";
  model.st_config = read_object_if_there(file);
  if (!model.st_config.contains("prompts")) return;
  const Json& prompts = model.st_config["prompts"];
  if (!prompts.is_object())
    throw_error(ErrorKind::kData, file.string(), ": \"prompts\": expected an object");
  for (const auto& [name, text] : prompts.items())
    if (!text.is_string() && !text.is_null())
      throw_error(ErrorKind::kData, file.string(), ": prompt '", name, "': expected a string");
  const auto stored = [&](const char* name) {
    return prompts.contains(name) && prompts[name].is_string() ? prompts[name].get<std::string>()
                                                               : "";
  };
  model.prompts.query = stored("query");
  for (const char* name : {"document", "passage", "corpus"})  // the order of encode_document
    if (prompts.contains(name)) {
      model.prompts.document = stored(name);
      break;
    }
}

// From the files of `folder`: where the Transformer module is saved.
void read_max_length(const fs::path& folder, ModelDirectory& model) {
  const fs::path classic = folder / "sentence_bert_config.json",
                 tokenizer = folder / "tokenizer_config.json";
  const Json sentence = read_object_if_there(classic);
  model.max_length = read_length(sentence, "max_seq_length", classic.string());
  if (read_bool(sentence, "do_lower_case", false, classic.string()))
    throw_error(ErrorKind::kData, classic.string(),
                ": do_lower_case: true is not supported; put the "
                "lower-casing into the tokenizer's normalizer");
  if (model.max_length == 0)
    model.max_length =
        read_length(read_object_if_there(tokenizer), "model_max_length", tokenizer.string());
}

// sentence-transformers gives a StaticEmbedding's tokenizer no limit but its file's own.
void read_truncation(ModelDirectory& model) {
  const fs::path path = fs::path(model.tokenizer_path) / "tokenizer.json";
  const Json file = read_object_if_there(path);
  if (file.contains("truncation") && file["truncation"].is_object())
    model.max_length = read_length(file["truncation"], "max_length", path.string());
  if (model.max_length == 0) model.max_length = StaticEmbedding::kMaxTokens;
}

// What a directory without its descriptions may be.
std::string hint_of(const fs::path& root) {
  std::error_code ignored;
  if (fs::is_directory(root / "snapshots", ignored))
    return "; it is an entry of the Hugging Face cache: give the model's name, or "
           "snapshots/<commit>";
  std::string folders;
  for (const auto& entry : fs::directory_iterator(root, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".gguf") || name.ends_with(".onnx"))
      return "; " + name + " is for serving: fetch the model's original directory";
    if (fs::exists(entry.path() / "config.json", ignored) ||
        fs::exists(entry.path() / "modules.json", ignored))
      folders += (folders.empty() ? "" : ", ") + name;
  }
  return folders.empty() ? "; fetch the model again, whole"
                         : "; did you mean " + folders + " in it?";
}

// What a PEFT directory adapts: `base`, or what it names.
ModelDirectory read_base(const std::string& directory, const std::string& base) {
  const std::string name = base.empty() ? lora_base(directory) : base;
  if (name.empty())
    throw_error(ErrorKind::kConfig, directory,
                ": names no base model (base_model_name_or_path): give one with --base");
  std::string path;
  try {
    path = resolve_model_path(name);
  } catch (const Error&) {
    throw_error(ErrorKind::kData, directory, ": its base model '", name,
                "' is not there; --base M names another place");
  }
  ModelDirectory found = read_model_directory(path);
  if (!found.lora_path.empty())
    throw_error(ErrorKind::kData, directory, ": its base ", path,
                " is a PEFT directory itself; save that merged first");
  return found;
}

// The PEFT directory's own modules, limit, prompts and tokenizer where it has them
// (sentence-transformers writes them), else the base's.
void take_from_base(const fs::path& root, const std::string& base, ModelDirectory& model) {
  ModelDirectory found = read_base(model.transformer_path, base);
  const std::string folder = model.transformer_path;
  if (file_exists((root / "modules.json").string())) {
    model.config = found.config;
    model.transformer_path = found.transformer_path;
    read_prompts(root, model);
    read_max_length(folder, model);
    if (model.max_length == 0) model.max_length = found.max_length;
  } else {
    found.path = model.path;
    model = std::move(found);
  }
  model.lora_path = folder;
  const bool has_tokenizer = file_exists((fs::path(folder) / "tokenizer.json").string());
  model.tokenizer_path = has_tokenizer ? folder : model.transformer_path;
}

ModelDirectory read_all(const std::string& path, const std::string& base, const Attempt& attempt) {
  const fs::path root(path);
  std::error_code ignored;
  if (fs::is_regular_file(root, ignored))
    throw_error(ErrorKind::kData, path,
                ": a file; a model is the directory that holds it, with config.json and "
                "tokenizer.json");
  if (!fs::is_directory(root, ignored))
    throw_error(ErrorKind::kData, path, ": no such model directory");
  ModelDirectory model;
  model.path = model.transformer_path = path;
  if (file_exists((root / "modules.json").string()))
    attempt([&] { read_modules(root, model, attempt); });
  else if (!file_exists((root / "config.json").string()) && !is_lora_directory(path))
    throw_error(ErrorKind::kData, path,
                ": not a model: neither modules.json nor config.json is there", hint_of(root));
  if (is_lora_directory(model.transformer_path)) {
    take_from_base(root, base, model);
    return model;
  }
  if (!base.empty())
    throw_error(ErrorKind::kConfig, path, " is a whole model: a base is for adapters only");
  model.tokenizer_path = model.transformer_path;
  attempt([&] { read_prompts(root, model); });
  attempt([&] {
    if (model.is_static)
      model.config = static_config(model.transformer_path);
    else
      model.config = read_object(fs::path(model.transformer_path) / "config.json");
  });
  attempt([&] {
    if (model.is_static)
      read_truncation(model);
    else
      read_max_length(model.transformer_path, model);
  });
  return model;
}

}  // namespace

ModelDirectory read_model_directory(const std::string& path, const std::string& base) {
  return read_all(path, base, Attempt(nullptr));
}

ModelDirectory read_model_directory(const std::string& path, const std::string& base,
                                    std::vector<std::string>& mistakes) {
  const Attempt attempt(&mistakes);
  ModelDirectory model;
  attempt([&] { model = read_all(path, base, attempt); });
  return model;
}

std::unique_ptr<Tokenizer> load_model_tokenizer(const ModelDirectory& model,
                                                std::optional<std::int32_t> rows) {
  std::unique_ptr<Tokenizer> tokenizer;
  try {
    tokenizer = load_tokenizer(model.tokenizer_path);
  } catch (const Error&) {
    read_object_if_there(fs::path(model.tokenizer_path) / "tokenizer.json");  // damaged?
    throw;
  }
  if (!model.is_static) return tokenizer;
  return std::make_unique<BareTokenizer>(std::move(tokenizer), rows);
}

std::string resolve_model_path(const std::string& model) {
  const std::string name = model.starts_with("local:") ? model.substr(6) : model;
  if (name.empty())
    throw_error(ErrorKind::kConfig, "model '", model, "': a directory or a name must follow");
  if (!names_directory(model))
    throw_error(ErrorKind::kConfig, "model '", model,
                "' has no directory, and its files are needed here; expected local:DIR, DIR, "
                "job-..., model-..., an alias, or a name in the Hugging Face cache");
  if (name == model)
    if (const auto of_alias = path_of_alias(name)) return *of_alias;
  std::error_code ignored;
  if (fs::is_directory(name, ignored)) return name;
  if (const auto of_job = path_of_job_model(name)) return *of_job;
  std::vector<fs::path> hubs;
  if (const char* hub = std::getenv("HF_HUB_CACHE")) hubs.emplace_back(hub);
  if (const char* home = std::getenv("HF_HOME")) hubs.push_back(fs::path(home) / "hub");
  if (const char* home = std::getenv("HOME"))
    hubs.push_back(fs::path(home) / ".cache/huggingface/hub");
  std::vector<std::string> names = {name};
  if (name.find('/') == std::string::npos) names.push_back("sentence-transformers/" + name);
  std::string looked = "directory '" + name + "'";
  if (name == model) looked += registry_places(name);
  for (const fs::path& hub : hubs)
    for (std::string repository : names) {
      if (std::count(repository.begin(), repository.end(), '/') != 1 ||
          repository.find("..") != std::string::npos)
        continue;
      repository.replace(repository.find('/'), 1, "--");
      const fs::path folder = hub / ("models--" + repository);
      looked += ", " + folder.string();
      const fs::path ref = folder / "refs/main";
      if (!fs::exists(ref, ignored)) continue;
      std::string revision = read_file(ref.string(), 4096);
      revision.erase(revision.find_last_not_of(" \n\r\t") + 1);
      if (revision.empty() || revision.find_first_of("/\\.") != std::string::npos) continue;
      if (fs::is_directory(folder / "snapshots" / revision, ignored))
        return (folder / "snapshots" / revision).string();
    }
  throw_error(ErrorKind::kData, "model '", model, "' was not found; looked for: ", looked,
              ". attune never downloads: fetch it first, for example with `hf download ", name,
              "`. Other names: an alias, job-..., model-...; where vectors alone are wanted also "
              "openai:MODEL@https://HOST/v1, vectors:FILE, mock:DIMENSION, default, disabled");
}

}  // namespace attune
