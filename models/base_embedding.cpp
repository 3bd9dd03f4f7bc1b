#include <attune/base_embedding.h>

#include "core/error.h"
#include "models/adapter_directory.h"
#include "models/adapter_embedding.h"
#include "models/encoder_embedding.h"

namespace attune {
namespace {

using Texts = std::span<const std::string_view>;

}  // namespace

std::vector<float> BaseEmbedding::get_query_embedding(std::string_view query) const {
  return get_query_embedding_batch(Texts(&query, 1));
}

std::vector<float> BaseEmbedding::get_text_embedding(std::string_view text) const {
  return get_text_embedding_batch(Texts(&text, 1));
}

std::vector<float> BaseEmbedding::get_query_embedding_batch(Texts queries) const {
  std::vector<float> vectors(queries.size() * static_cast<std::size_t>(dimension()));
  embed(Role::kQuery, queries, vectors);
  return vectors;
}

std::vector<float> BaseEmbedding::get_text_embedding_batch(Texts texts) const {
  std::vector<float> vectors(texts.size() * static_cast<std::size_t>(dimension()));
  embed(Role::kText, texts, vectors);
  return vectors;
}

std::shared_ptr<const BaseEmbedding> resolve_embed_model(const std::string& model,
                                                         const EmbedOptions& options) {
  const std::string directory = resolve_model_path(model);
  if (is_adapter_directory(directory)) return load_adapter_embedding(directory, options);
  return load_encoder_embedding(model, options);
}

}  // namespace attune
