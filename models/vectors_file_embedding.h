// Vectors that were made elsewhere, by their texts: a file of JSON lines (docs/formats.md), each
//
//   {"text": "...", "vector": [0.1, ...]}      or "sha256" of the text instead of it
//
// and "role": "query" or "text" where a line is of one of them alone. Other texts are refused by
// name. Its space is the SHA-256 of the file.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include <attune/base_embedding.h>

namespace attune {

class VectorsFileEmbedding : public BaseEmbedding {
 public:
  // Reads the file whole. Error{kData} with the line: what is no such object, vectors of different
  // lengths or not finite, a text twice.
  explicit VectorsFileEmbedding(const std::string& path);

  int dimension() const override { return dimension_; }
  std::string model_name() const override { return "vectors:" + path_; }
  std::string document_space() const override { return space_; }
  std::string query_space() const override { return space_; }

 protected:
  // Error{kData} names a text that is not in the file.
  void embed(Role role, std::span<const std::string_view> texts,
             std::span<float> out) const override;

 private:
  void add(Role role, const std::string& hash, std::size_t row, const std::string& place);

  std::string path_, space_;
  int dimension_ = 0;
  std::vector<float> vectors_;                            // [lines, dimension]
  std::unordered_map<std::string, std::size_t> rows_[2];  // of queries and of texts, by SHA-256
};

}  // namespace attune
