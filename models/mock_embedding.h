// A model without weights for tests of applications: a text's vector is drawn from its SHA-256, of
// length 1, the same as a query and as a text, on every machine. LlamaIndex's MockEmbedding gives
// every text the same vector.
#pragma once

#include <string>

#include <attune/base_embedding.h>

namespace attune {

class MockEmbedding : public BaseEmbedding {
 public:
  explicit MockEmbedding(int dimension);  // 1 to 65,536, else Error{kConfig}

  int dimension() const override { return dimension_; }
  std::string model_name() const override { return "mock:" + std::to_string(dimension_); }
  std::string document_space() const override;
  std::string query_space() const override { return document_space(); }

 protected:
  void embed(Role role, std::span<const std::string_view> texts,
             std::span<float> out) const override;

 private:
  int dimension_;
};

}  // namespace attune
