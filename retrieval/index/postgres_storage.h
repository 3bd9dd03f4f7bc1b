// An index in a PostgreSQL database with the extension pgvector: a schema with the model's space
// and a table of the nodes (docs/formats.md).
//
// Every change is one transaction: a search sees the state before it or after it, and one of a
// client that dies is undone by the server. Each search reads the space in the transaction in which
// it searches, so that an index which somebody rebuilds with another model meanwhile is refused.
// The server proposes a few more nodes than are asked for; they are scored here, as in a folder.
// Each row carries a checksum over the space, the node and its vector: what another program writes
// into the table is an error, not an answer.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "core/postgres.h"
#include "core/postgres_place.h"
#include "retrieval/index/index_storage.h"

namespace attune {

class PostgresStorage : public IndexStorage {
 public:
  explicit PostgresStorage(const PostgresPlace& place);

  const std::string& place() const override { return place_; }
  Held held() const override;
  std::string state() const override;
  std::vector<TextNode> nodes() const override;
  void verify() const override;
  bool reopen(const IndexModel* model) override;
  // The server computes: options.device has no meaning.
  std::vector<std::vector<NodeWithScore>> search(const IndexModel& model,
                                                 std::span<const float> queries, int k,
                                                 const RetrieverOptions& options) const override;
  IndexChanges build(const IndexModel& model, const IndexSpace& space, bool approximate,
                     std::span<const TextNode> nodes) override;
  IndexChanges insert(const IndexModel& model, std::span<const TextNode> nodes) override;
  IndexChanges remove(const IndexModel& model, std::span<const std::string> ids) override;
  IndexChanges refresh(const IndexModel& model, std::span<const TextNode> nodes) override;

 private:
  // `body` in a transaction that reads; once more where the table was replaced in between.
  template <class Body>
  auto read(const Body& body) const;
  IndexChanges put(const IndexModel& model, std::span<const TextNode> nodes, bool only_new);
  bool went_to(std::int64_t generation);  // true: it is another than before
  void drop_old_tables();                 // tells what keeps them

  const std::string place_;  // without a password
  const std::string schema_;
  mutable PostgresServer server_;
  std::mutex mutex_;
  std::int64_t generation_ = 0;  // seen last
};

}  // namespace attune
