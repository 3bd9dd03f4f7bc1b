// Where an index lives: what VectorStoreIndex asks of a folder, of a PostgreSQL database, or of
// whatever else is put behind it (docs/formats.md says what must be kept).
//
// Every storage keeps the model's space beside the vectors and gives back none of a state whose
// space is another's; a change is seen as a whole or not at all. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <attune/vector_store_index.h>

#include "retrieval/index/index_manifest.h"

namespace attune {

class IndexStorage {
 public:
  // Of "postgresql://..." a database (retrieval/index/postgres_storage.h), of all else a folder.
  // Nothing is opened yet. Error{kConfig}: an empty place.
  static std::shared_ptr<IndexStorage> at(const std::string& place);
  virtual ~IndexStorage() = default;

  virtual const std::string& place() const = 0;  // in messages, without a password

  struct Held {
    IndexSpace space;
    std::int64_t nodes = 0;
    bool approximate = false;
  };
  // Of what was opened last. Error{kData}: there is no index.
  virtual Held held() const = 0;
  virtual std::string state() const = 0;            // after a change it is another one
  virtual std::vector<TextNode> nodes() const = 0;  // in their order
  // Reads everything: Error{kData} with what is damaged.
  virtual void verify() const = 0;

  // To the newest state. True: it is another one. Error{kData}: there is none, or it is not of
  // `model` where that is not null.
  virtual bool reopen(const IndexModel* model) = 0;
  // Of queries [n, dimension], k >= 1: score descending, equal scores by ascending id.
  // Error{kData}: they are not of the index's space.
  virtual std::vector<std::vector<NodeWithScore>> search(const IndexModel& model,
                                                         std::span<const float> queries, int k,
                                                         const RetrieverOptions& options) const = 0;

  // As VectorStoreIndex's; nodes are checked_nodes(). `space` is the model's own.
  virtual IndexChanges build(const IndexModel& model, const IndexSpace& space, bool approximate,
                             std::span<const TextNode> nodes) = 0;
  virtual IndexChanges insert(const IndexModel& model, std::span<const TextNode> nodes) = 0;
  virtual IndexChanges remove(const IndexModel& model, std::span<const std::string> ids) = 0;
  virtual IndexChanges refresh(const IndexModel& model, std::span<const TextNode> nodes) = 0;
};

// What an index that is built with `model` keeps as its space: `own`, but behind a query-only
// adapter an index stays its base's.
IndexSpace space_to_keep(const IndexSpace* old, const IndexModel& model, const IndexSpace& own);

}  // namespace attune
