// LlamaIndex's AdapterEmbeddingModel: an adapter behind any BaseEmbedding. Queries are transformed,
// documents are the base's untouched, so that an index of the base stays valid; both in batches.
// With AdapterSides::kBoth documents are transformed too, into a space of their own and perhaps of
// fewer numbers: document_space() and dimension() are then the adapter's. What the adapter gives is
// not normalised again, as there.
#pragma once

#include <memory>
#include <string>

#include <attune/adapter.h>
#include <attune/base_embedding.h>

#include "models/adapter_directory.h"

namespace attune {

class AdapterEmbeddingModel : public BaseEmbedding {
 public:
  // Error{kData} where the adapter does not take the base's vectors, or with kQuery gives others
  // than fit the base's documents.
  AdapterEmbeddingModel(std::shared_ptr<const BaseEmbedding> base,
                        std::shared_ptr<const Adapter> adapter,
                        AdapterSides sides = AdapterSides::kQuery);

  int dimension() const override { return dimension_; }
  std::string model_name() const override { return "Adapter for " + base_->model_name(); }
  std::string document_space() const override { return document_space_; }
  std::string query_space() const override { return query_space_; }
  std::string base_query_space() const override {
    return sides_ == AdapterSides::kBoth ? query_space_ : base_->query_space();
  }

 protected:
  void embed(Role role, std::span<const std::string_view> texts,
             std::span<float> out) const override;

 private:
  std::string space_of(const std::string& base_space) const;

  std::shared_ptr<const BaseEmbedding> base_;
  std::shared_ptr<const Adapter> adapter_;
  AdapterSides sides_;
  int dimension_ = 0;
  std::string document_space_, query_space_;
};

// LlamaIndex's name for the same class.
using LinearAdapterEmbeddingModel = AdapterEmbeddingModel;

// A saved adapter with its base: options.base, or the one that attune.json names, which must be the
// one it was trained on; LlamaIndex's directories name none. Other options go to the base. Error
// {kData} with both fingerprints where the base is another.
struct AdapterWithBase {
  SavedAdapter saved;
  std::shared_ptr<const BaseEmbedding> base;
};
AdapterWithBase load_adapter_with_base(const std::string& directory, const EmbedOptions& options);

// The two as one model.
std::shared_ptr<const BaseEmbedding> load_adapter_embedding(const std::string& directory,
                                                            const EmbedOptions& options);

}  // namespace attune
