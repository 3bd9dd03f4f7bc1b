// What a Sentence Transformers directory says: which modules, which pooling, which prompts, how
// long. Both layouts are read (classic: up to 5.3, and that of 5.4 and later; docs/formats.md). A
// plain transformers directory without modules.json gets mean pooling, as sentence-transformers
// does. A PEFT directory takes what it does not hold itself from its base.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/tokenizers/tokenizer.h"
#include "models/dense.h"
#include "models/pooling.h"

namespace attune {

struct Prompts {
  std::string query, document;
  std::map<std::string, std::string> further{};  // by name; written beside those two, not read
};

struct ModelDirectory {
  std::string path;              // as the user named it, resolved to a directory
  std::string transformer_path;  // where config.json and the weights are
  std::string tokenizer_path;    // where the tokenizer is: the same but in a PEFT directory
  std::string lora_path;         // of a PEFT directory: where adapter_config.json is; else empty
  bool is_static = false;        // a StaticEmbedding module in place of Transformer and Pooling
  Json config;                   // config.json; of a StaticEmbedding what its table says
  Json st_config;                // config_sentence_transformers.json, or an empty object
  std::vector<PoolingMode> pooling = {PoolingMode::kMean};
  std::string pooling_path;    // its config.json; empty: there is none
  int pooled_width = 0;        // of token vectors, as the pooling module has it; 0: it does not say
  bool include_prompt = true;  // false: prompt tokens are not pooled
  std::vector<Dense> dense;    // after pooling, in order; weights not read yet
  bool normalize = false;
  int max_length = 0;  // tokens, special ones included; at most the model's positions; 0: those
  Prompts prompts;     // stored "query" and "document" (or "passage", "corpus")
};

// Every error is an Error{kData} with the file: missing files, wrong types, module types that are
// not Transformer (or StaticEmbedding), Pooling, Dense or Normalize, an order other than that, a
// pooling module that expects another width than the transformer's, pooling modes and
// activations that are not implemented, widths of Dense modules that do not follow, paths that lead
// out of the directory, a PEFT directory whose base is not there. `base`, for a PEFT directory
// alone (else Error{kConfig}): a model instead of the one that it names.
ModelDirectory read_model_directory(const std::string& path, const std::string& base = "");

// The same for telling all that is wrong: what one file has is added to `mistakes`, and the others
// are read on. What is returned then lacks what could not be read.
ModelDirectory read_model_directory(const std::string& path, const std::string& base,
                                    std::vector<std::string>& mistakes);

// The model's tokenizer: of a StaticEmbedding without special tokens, and where `rows` (of the
// embedding) is given, a text without tokens gives that id.
std::unique_ptr<Tokenizer> load_model_tokenizer(const ModelDirectory& model,
                                                std::optional<std::int32_t> rows = {});

// "local:DIR", a directory, the id of a job or of its model (models/job_model.h), or a name in the
// Hugging Face cache ($HF_HUB_CACHE, $HF_HOME/hub,
// ~/.cache/huggingface/hub); a name without '/' is also looked for under sentence-transformers/.
// Nothing is fetched. Error{kData} lists the places that were looked at.
std::string resolve_model_path(const std::string& model);

}  // namespace attune
