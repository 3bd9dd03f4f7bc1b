// What an index says of itself: manifest.json of a generation, and current.json, which names the
// generation that counts (docs/formats.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <attune/vector_store_index.h>

#include "core/hash.h"
#include "core/json.h"

namespace attune {

// Its queries lie in its base's document space, whatever prompt it was trained with.
bool is_query_adapter(const BaseEmbedding& model);

// The model whose vectors an index holds.
struct IndexSpace {
  std::string model, base;  // how to load it again
  int max_length = 0;       // 0: the model's own
  Fingerprint document_space, query_space;
  int dimension = 0;

  // Of a query-only adapter it is that of its base: the index is the base's.
  static IndexSpace of(const BaseEmbedding& embedding, const std::string& model,
                       const std::string& base, int max_length);
};

struct IndexFile {
  std::uint64_t size = 0;
  Fingerprint sha256;
};

struct IndexManifest {
  IndexSpace space;
  std::int64_t nodes = 0;
  IndexFile node_file, vector_file;
  std::optional<IndexFile> graph_file;  // of approximate search

  std::string to_json() const;
  // Error{kData} with `place`: not what to_json() writes.
  static IndexManifest parse(const std::string& json, const std::string& place);
  // The first bytes of the vectors file, which bind it to the model and to the nodes: it is a
  // safetensors file whose only tensor, "vectors", begins at a multiple of 64 bytes.
  std::string vector_header() const;
  std::uint64_t vector_bytes() const;  // of the tensor
};

// Error{kData} where queries or documents of `model` (called `name`) do not belong to the vectors
// of the index: both models, how they differ, and how to rebuild the index in `directory`.
void check_space(const IndexManifest& manifest, const BaseEmbedding& model, const std::string& name,
                 const std::string& directory);

struct CurrentGeneration {
  std::int64_t number = 0;  // from 1
  Fingerprint manifest;     // SHA-256 of its manifest.json
  std::string name() const;
  std::string to_json() const;
};

// None where the folder holds no index. Error{kData}: a current.json that is not understood.
std::optional<CurrentGeneration> read_current(const std::string& directory);

}  // namespace attune
