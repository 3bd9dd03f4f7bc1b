// The tables of an index in a PostgreSQL schema, as one transaction sees them (docs/formats.md).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <attune/vector_store_index.h>

#include "core/postgres.h"
#include "retrieval/index/index_manifest.h"

namespace attune {

// The one row of the table attune_index.
struct PostgresManifest {
  IndexSpace space;
  std::int64_t generation = 0;  // counts the changes
  std::int64_t node_table = 0;  // the generation that made it, which is in its name
  std::int64_t nodes = 0;
  bool approximate = false;
};

struct PostgresNode {
  TextNode node;
  std::int64_t position = 0;
  std::vector<float> vector;
  bool sound = true;  // the checksum is that of the space, the node and the vector
};

class PostgresTables {
 public:
  // Error{kResources}: the database has no pgvector.
  PostgresTables(PostgresTransaction& transaction, const std::string& schema,
                 const std::string& place);

  // Until the transaction ends, which from here on waits 10 seconds for what other clients hold
  // (lock_timeout, where the server or PGOPTIONS sets none). Error{kResources}: another process
  // writes the index.
  void lock();
  // None: no such schema, or an empty one. Error{kData}: it holds something else, or a row that is
  // not understood.
  std::optional<PostgresManifest> manifest();
  void write_manifest(const PostgresManifest& manifest, bool first);

  void make_schema();
  void make_nodes(const PostgresManifest& manifest);
  void drop_other_nodes(const PostgresManifest& manifest);  // tables of former generations
  // The index of approximate search. Error{kResources}: a pgvector without it.
  void make_neighbours(const PostgresManifest& manifest);
  void drop_neighbours(const PostgresManifest& manifest);
  bool has_neighbours(const PostgresManifest& manifest);

  // All nodes by ascending id, a block at a time; or those with these ids, or these texts.
  void for_each(const PostgresManifest& manifest,
                const std::function<void(PostgresNode&& node)>& body);
  std::vector<PostgresNode> with_ids(const PostgresManifest& manifest,
                                     std::span<const std::string> ids);
  std::vector<PostgresNode> with_texts(const PostgresManifest& manifest,
                                       std::span<const std::string> texts);
  // The nearest by the server's arithmetic, about `count`.
  std::vector<PostgresNode> nearest(const PostgresManifest& manifest, std::span<const float> query,
                                    int count, bool approximate);

  std::int64_t next_position(const PostgresManifest& manifest);  // behind all nodes
  // Ids and texts hold no U+0000.
  void put(const PostgresManifest& manifest, std::span<const PostgresNode> nodes);
  void move(const PostgresManifest& manifest, std::span<const std::string> ids,
            std::span<const std::string> positions);
  void remove(const PostgresManifest& manifest, std::span<const std::string> ids);

 private:
  std::string named(const std::string& table) const;  // quoted, with its schema
  std::string nodes_of(const PostgresManifest& manifest) const;
  std::vector<PostgresNode> select(const PostgresManifest& manifest, const std::string& rest,
                                   std::span<const std::string> values);

  PostgresTransaction& transaction_;
  std::string schema_, place_;
};

}  // namespace attune
