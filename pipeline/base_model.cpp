#include "pipeline/base_model.h"

namespace attune {

EmbedOptions base_embed_options(const RunConfig& config) {
  EmbedOptions options;
  options.device = config.device;
  options.max_length = config.model.max_length;
  options.override_prompts = config.model.prompts.given;
  options.query_prompt = config.model.prompts.query_text();
  options.document_prompt = config.model.prompts.document_text();
  return options;
}

}  // namespace attune
