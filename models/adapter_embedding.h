// LlamaIndex's AdapterEmbeddingModel: an adapter behind any BaseEmbedding. Queries are transformed,
// documents are the base's untouched, so that an index of the base stays valid; both in batches.
// What the adapter gives is not normalised again, as there.
#pragma once

#include <memory>
#include <string>

#include <attune/adapter.h>

namespace attune {

class AdapterEmbeddingModel : public BaseEmbedding {
 public:
  // Error{kData} where the adapter does not take the base's vectors.
  AdapterEmbeddingModel(std::shared_ptr<const BaseEmbedding> base,
                        std::shared_ptr<const Adapter> adapter);

  int dimension() const override { return base_->dimension(); }
  std::string model_name() const override { return "Adapter for " + base_->model_name(); }
  std::string document_space() const override { return base_->document_space(); }
  std::string query_space() const override { return query_space_; }

 protected:
  void embed(Role role, std::span<const std::string_view> texts,
             std::span<float> out) const override;

 private:
  std::shared_ptr<const BaseEmbedding> base_;
  std::shared_ptr<const Adapter> adapter_;
  std::string query_space_;
};

// LlamaIndex's name for the same class.
using LinearAdapterEmbeddingModel = AdapterEmbeddingModel;

// A saved adapter with its base: options.base, or the one that attune.json names, which must be the
// one it was trained on; LlamaIndex's directories name none. Other options go to the base. Error
// {kData} with both fingerprints where the base is another.
std::shared_ptr<const BaseEmbedding> load_adapter_embedding(const std::string& directory,
                                                            const EmbedOptions& options);

}  // namespace attune
