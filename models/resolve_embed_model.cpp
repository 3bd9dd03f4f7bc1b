// Which kind of model a name means: the one place that knows all of them.
#include <charconv>
#include <optional>

#include <attune/base_embedding.h>

#include "core/error.h"
#include "core/user_settings.h"
#include "models/adapter_directory.h"
#include "models/adapter_embedding.h"
#include "models/disabled_embedding.h"
#include "models/encoder_embedding.h"
#include "models/mock_embedding.h"
#include "models/model_directory.h"
#include "models/openai_embedding.h"
#include "models/vectors_file_embedding.h"

namespace attune {
namespace {

// Of `model` what follows `kind`, where it begins with that.
std::optional<std::string> after(const std::string& model, std::string_view kind) {
  if (!model.starts_with(kind)) return std::nullopt;
  return model.substr(kind.size());
}

// What would be passed over without a word.
void refuse_options_of_local_models(const std::string& kind, const EmbedOptions& options,
                                    bool takes_prompts) {
  const char* option = nullptr;
  if (!options.base.empty()) option = "base";
  if (options.max_length != 0) option = "max_length";
  if (options.batch_tokens != 0) option = "batch_tokens";
  if (options.precision != "fp32") option = "precision";
  if (options.device != "auto" && options.device != "cpu") option = "device";
  if (options.override_prompts && !takes_prompts &&
      !(options.query_prompt.empty() && options.document_prompt.empty()))
    option = "prompts";
  if (option)
    throw_error(ErrorKind::kConfig, "model ", kind, "...: '", option,
                "' is of local models and means nothing here: leave it out");
}

std::shared_ptr<const BaseEmbedding> resolve_default(const EmbedOptions& options) {
  const auto chosen = user_setting("embed_model");
  const std::string variable = user_variable("embed_model");
  if (!chosen)
    throw_error(ErrorKind::kConfig,
                "model 'default': nobody has chosen one, and attune chooses none by itself; looked "
                "at $",
                variable, " and embed_model in ", user_settings_path(),
                "; type for example: export ", variable, "=local:DIR");
  if (*chosen == "default")
    throw_error(ErrorKind::kConfig, "model 'default': $", variable, " or embed_model in ",
                user_settings_path(), " is 'default' again: name a model there");
  try {
    return resolve_embed_model(*chosen, options);
  } catch (const Error& error) {
    throw_error(error.kind(), error.what(), " (chosen by $", variable, " or embed_model in ",
                user_settings_path(), ")");
  }
}

std::shared_ptr<const BaseEmbedding> resolve_mock(const std::string& text) {
  int dimension = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), dimension);
  if (error != std::errc() || end != text.data() + text.size())
    throw_error(ErrorKind::kConfig, "model 'mock:", text, "': expected mock:DIMENSION, as mock:8");
  return std::make_shared<MockEmbedding>(dimension);
}

}  // namespace

std::shared_ptr<const BaseEmbedding> resolve_embed_model(
    std::shared_ptr<const BaseEmbedding> model) {
  if (!model)
    throw_error(ErrorKind::kConfig,
                "the embedding model is null: give an object, or its name as text; "
                "\"disabled\" is a model that refuses");
  return model;
}

std::shared_ptr<const BaseEmbedding> resolve_embed_model(const std::string& model,
                                                         const EmbedOptions& options) {
  if (!options.override_prompts &&
      !(options.query_prompt.empty() && options.document_prompt.empty()))
    throw_error(ErrorKind::kConfig, "model '", model,
                "': a prompt is given, but override_prompts is false and the model's own would be "
                "used: set it, too");
  if (options.max_length < 0 || options.threads < 0)
    throw_error(ErrorKind::kConfig, "model '", model, "': max_length ", options.max_length,
                " and threads ", options.threads, ": expected at least 0");
  if (model == "default") return resolve_default(options);
  if (model == "disabled" || model == "none") return std::make_shared<DisabledEmbedding>();
  if (const auto served = after(model, "openai:")) {
    refuse_options_of_local_models("openai:", options, true);
    return OpenAIEmbedding::resolve(*served, options);
  }
  if (const auto path = after(model, "vectors:")) {
    refuse_options_of_local_models("vectors:", options, false);
    return std::make_shared<VectorsFileEmbedding>(*path);
  }
  if (const auto dimension = after(model, "mock:")) {
    refuse_options_of_local_models("mock:", options, false);
    return resolve_mock(*dimension);
  }
  if (model.starts_with("http://") || model.starts_with("https://"))
    throw_error(ErrorKind::kConfig,
                "a model behind a server is named with the model first: "
                "openai:MODEL@https://HOST/v1?api_key_env=NAME");
  const std::string directory = resolve_model_path(model);
  if (is_adapter_directory(directory)) return load_adapter_embedding(directory, options);
  return load_encoder_embedding(model, options);
}

}  // namespace attune
