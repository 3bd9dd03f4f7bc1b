// What a Sentence Transformers directory says: which modules, which pooling, which prompts, how
// long. Both layouts are read (classic: up to 5.3, and that of 5.4 and later; docs/formats.md). A
// plain transformers directory without modules.json gets mean pooling, as sentence-transformers
// does.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "models/pooling.h"

namespace attune {

struct Prompts {
  std::string query, document;
  std::map<std::string, std::string> further{};  // by name; written beside those two, not read
};

struct ModelDirectory {
  std::string path;              // as the user named it, resolved to a directory
  std::string transformer_path;  // where config.json, the weights and the tokenizer are
  Json config;                   // config.json
  Json st_config;                // config_sentence_transformers.json, or an empty object
  std::vector<PoolingMode> pooling = {PoolingMode::kMean};
  bool include_prompt = true;  // false: prompt tokens are not pooled
  bool normalize = false;
  int max_length = 0;  // tokens, special ones included; at most the model's positions
  Prompts prompts;     // stored "query" and "document" (or "passage", "corpus")
};

// Every error is an Error{kData} with the file: missing files, wrong types, module types that are
// not Transformer, Pooling or Normalize, an order other than that, pooling modes that are not
// implemented, paths that lead out of the directory.
ModelDirectory read_model_directory(const std::string& path);

// "local:DIR", a directory, or a name in the Hugging Face cache ($HF_HUB_CACHE, $HF_HOME/hub,
// ~/.cache/huggingface/hub); a name without '/' is also looked for under sentence-transformers/.
// Nothing is fetched. Error{kData} lists the places that were looked at.
std::string resolve_model_path(const std::string& model);

}  // namespace attune
