// Where an application has no embedding model: every use is an error that says so. LlamaIndex
// gives every text the vector [1] instead.
#pragma once

#include <string>

#include <attune/base_embedding.h>

#include "core/error.h"

namespace attune {

class DisabledEmbedding : public BaseEmbedding {
 public:
  int dimension() const override { refuse(); }
  std::string model_name() const override { return "disabled"; }
  std::string document_space() const override { refuse(); }
  std::string query_space() const override { refuse(); }

 protected:
  void embed(Role, std::span<const std::string_view>, std::span<float>) const override { refuse(); }

 private:
  [[noreturn]] static void refuse() {
    throw_error(ErrorKind::kConfig,
                "the embedding model is disabled, but something wants a vector: name a model, for "
                "example local:DIR (Settings::set_embed_model, ATTUNE_EMBED_MODEL)");
  }
};

}  // namespace attune
