#include "retrieval/index/postgres_tables.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "core/error.h"
#include "core/hash.h"

namespace attune {
namespace {

constexpr std::int64_t kFormatVersion = 1;
constexpr int kWidest = 16000;           // numbers of pgvector's type vector
constexpr int kWidestNeighbours = 2000;  // and of its HNSW index
constexpr const char* kBlockRows = "1024";
constexpr std::string_view kTooLong = "54000";  // SQLSTATE: a row for an index of the server
constexpr int kSearchWidth = 128;  // candidates of an approximate search, as in a folder

std::int64_t number(const std::string& text) {
  std::int64_t value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// As pgvector reads it; nine digits give every float back.
std::string vector_text(std::span<const float> vector) {
  std::string text = "[";
  char digits[32];
  for (const float x : vector) {
    std::snprintf(digits, sizeof digits, "%.9g", static_cast<double>(x));
    if (text.size() > 1) text += ',';
    text += digits;
  }
  return text + "]";
}

// pgvector's binary form: u16 count, u16 unused, floats, all big-endian. None: not that.
std::optional<std::vector<float>> parse_vector(std::string_view bytes) {
  const auto byte = [&](std::size_t i) {
    return std::uint32_t{static_cast<unsigned char>(bytes[i])};
  };
  if (bytes.size() < 4 || bytes.size() != 4 + 4 * (byte(0) << 8 | byte(1))) return std::nullopt;
  std::vector<float> vector;
  for (std::size_t i = 4; i < bytes.size(); i += 4)
    vector.push_back(
        std::bit_cast<float>(byte(i) << 24 | byte(i + 1) << 16 | byte(i + 2) << 8 | byte(i + 3)));
  return vector;
}

// Binds a row to its index: a vector of another model, or a text changed behind it, is seen.
Fingerprint checksum(const PostgresManifest& manifest, const TextNode& node,
                     std::span<const float> vector) {
  Sha256 hash;
  const char zero[] = {'\0'};
  for (const std::string* part :
       {&manifest.space.document_space, &node.id, &node.text, &node.metadata})
    hash.update(*part).update(std::string_view(zero, 1));
  return hash.update(std::as_bytes(vector)).hex();
}

}  // namespace

PostgresTables::PostgresTables(PostgresTransaction& transaction, const std::string& schema,
                               const std::string& place)
    : transaction_(transaction), schema_(schema), place_(place) {
  const auto found = transaction_.run(
      "SELECT n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n "
      "ON n.oid = e.extnamespace WHERE e.extname = 'vector'");
  if (found.empty())
    throw_error(ErrorKind::kResources, place_,
                ": the database has no pgvector; as its owner run CREATE EXTENSION vector; (the "
                "extension comes with the package postgresql-NN-pgvector)");
  // Nothing that stands elsewhere in the database is taken for one of the system's functions.
  transaction_.run("SELECT set_config('search_path', $1, true)",
                   {"pg_catalog, " + transaction_.quoted_name(found[0][0])});
}

std::string PostgresTables::named(const std::string& table) const {
  return transaction_.quoted_name(schema_) + "." + transaction_.quoted_name(table);
}

std::string PostgresTables::nodes_of(const PostgresManifest& manifest) const {
  return named(str_cat("nodes_", manifest.node_table));
}

void PostgresTables::lock() {
  const auto taken = transaction_.run(
      "SELECT pg_try_advisory_xact_lock(hashtextextended('attune index ' || $1, 0))::text",
      {schema_});
  if (taken[0][0] != "true")
    throw_error(ErrorKind::kResources, place_,
                ": another process writes this index; try again when it is done");
  transaction_.run(
      "SELECT set_config('lock_timeout', '10s', true) WHERE current_setting('lock_timeout') = '0'");
}

std::optional<PostgresManifest> PostgresTables::manifest() {
  bool is_index = false;
  std::string other;
  for (const auto& row : transaction_.run(
           "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
           "WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1",
           {schema_})) {
    is_index = is_index || row[0] == "attune_index";
    other = row[0];
  }
  const auto refuse = [&](const auto&... what) {
    throw_error(ErrorKind::kData, place_, ": ", what...,
                "; name another index (#NAME at the end), or drop the schema if it is not needed");
  };
  if (!is_index && !other.empty())
    refuse("the schema '", schema_, "' holds the table '", other,
           "', which is no part of an index");
  if (!is_index) return std::nullopt;
  std::vector<PostgresTransaction::Row> rows;
  try {
    rows = transaction_.run(
        "SELECT format::text, model, base, max_length::text, document_space, query_space, "
        "dimension::text, generation::text, node_table::text, nodes::text, approximate::text "
        "FROM " +
        named("attune_index"));
  } catch (const PostgresFailure& failure) {
    if (!failure.state().starts_with("42") || failure.state() == "42501") throw;
    refuse("the table attune_index of the schema '", schema_,
           "' is not an index's, or of another attune (", failure.what(), ")");
  }
  if (rows.size() != 1)
    refuse("the table attune_index has ", rows.size(), " rows, an index has one");
  const auto& row = rows[0];
  if (number(row[0]) != kFormatVersion)
    refuse("the index has format ", row[0], ", this attune knows ", kFormatVersion);
  PostgresManifest found;
  found.space = {row[1], row[2], static_cast<int>(number(row[3])),
                 row[4], row[5], static_cast<int>(number(row[6]))};
  found.generation = number(row[7]);
  found.node_table = number(row[8]);
  found.nodes = number(row[9]);
  found.approximate = row[10] == "true";
  if (number(row[6]) < 1 || number(row[6]) > kWidest || found.generation < 1 ||
      found.node_table < 1 || found.nodes < 0 || found.space.max_length < 0)
    refuse("the row of attune_index holds a number that no index has");
  return found;
}

void PostgresTables::write_manifest(const PostgresManifest& manifest, bool first) {
  const IndexSpace& space = manifest.space;
  const std::string table = named("attune_index");
  if (first)
    transaction_.run("CREATE TABLE " + table +
                     " (one boolean PRIMARY KEY CHECK (one), format bigint NOT NULL, "
                     "model text NOT NULL, base text NOT NULL, max_length bigint NOT NULL, "
                     "document_space text NOT NULL, query_space text NOT NULL, "
                     "dimension bigint NOT NULL, generation bigint NOT NULL, "
                     "node_table bigint NOT NULL, nodes bigint NOT NULL, "
                     "approximate boolean NOT NULL)");
  transaction_.run("DELETE FROM " + table);
  transaction_.run(
      "INSERT INTO " + table + " VALUES (true, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
      {std::to_string(kFormatVersion), space.model, space.base, std::to_string(space.max_length),
       space.document_space, space.query_space, std::to_string(space.dimension),
       std::to_string(manifest.generation), std::to_string(manifest.node_table),
       std::to_string(manifest.nodes), manifest.approximate ? "true" : "false"});
}

void PostgresTables::make_schema() {
  if (transaction_.run("SELECT 1::text FROM pg_namespace WHERE nspname = $1", {schema_}).empty())
    transaction_.run("CREATE SCHEMA " + transaction_.quoted_name(schema_));
}

void PostgresTables::make_nodes(const PostgresManifest& manifest) {
  const int dimension = manifest.space.dimension;
  if (dimension > kWidest)
    throw_error(ErrorKind::kData, place_, ": the model's vectors have ", dimension,
                " numbers, pgvector takes ", kWidest, "; keep the index in a folder");
  const std::string table = nodes_of(manifest);
  transaction_.run(str_cat("CREATE TABLE ", table,
                           " (id text COLLATE \"C\" PRIMARY KEY, position bigint NOT NULL, "
                           "text text NOT NULL, metadata json NOT NULL, embedding vector(",
                           dimension, ") NOT NULL, sha256 text NOT NULL)"));
  transaction_.run("CREATE INDEX ON " + table + " USING hash (text)");  // of texts that move
}

void PostgresTables::drop_other_nodes(const PostgresManifest& manifest) {
  for (const auto& row : transaction_.run(
           "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
           "n.nspname = $1 AND c.relkind = 'r' AND c.relname ~ '^nodes_[0-9]+$' AND "
           "c.relname <> $2",
           {schema_, str_cat("nodes_", manifest.node_table)}))
    transaction_.run("DROP TABLE " + named(row[0]));
}

void PostgresTables::make_neighbours(const PostgresManifest& manifest) {
  if (manifest.space.dimension > kWidestNeighbours)
    throw_error(ErrorKind::kData, place_, ": approximate search takes vectors of ",
                kWidestNeighbours, " numbers (pgvector's HNSW), the model's have ",
                manifest.space.dimension, "; leave it out, or keep the index in a folder");
  if (transaction_.run("SELECT 1::text FROM pg_am WHERE amname = 'hnsw'").empty())
    throw_error(ErrorKind::kResources, place_,
                ": the server's pgvector has no HNSW, which came with 0.5.0: as the database's "
                "owner run ALTER EXTENSION vector UPDATE; or leave approximate search out");
  const std::string name = str_cat("neighbours_", manifest.node_table);
  transaction_.run(
      "CREATE INDEX " + transaction_.quoted_name(name) + " ON " + nodes_of(manifest) +
      " USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 200)");
}

void PostgresTables::drop_neighbours(const PostgresManifest& manifest) {
  transaction_.run("DROP INDEX " + named(str_cat("neighbours_", manifest.node_table)));
}

bool PostgresTables::has_neighbours(const PostgresManifest& manifest) {
  return !transaction_
              .run(
                  "SELECT 1::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                  "WHERE n.nspname = $1 AND c.relname = $2",
                  {schema_, str_cat("neighbours_", manifest.node_table)})
              .empty();
}

std::vector<PostgresNode> PostgresTables::select(const PostgresManifest& manifest,
                                                 const std::string& rest,
                                                 std::span<const std::string> values) {
  std::vector<PostgresNode> nodes;
  for (auto& row :
       transaction_.run("SELECT id, text, metadata::text, position::text, embedding, sha256 FROM " +
                            nodes_of(manifest) + " " + rest,
                        values)) {
    auto vector = parse_vector(row[4]);
    if (!vector || std::ssize(*vector) != manifest.space.dimension)
      throw_error(ErrorKind::kData, place_, ": node '", row[0], "' has no vector of ",
                  manifest.space.dimension, " numbers; drop the schema and build the index again");
    PostgresNode node{{std::move(row[0]), std::move(row[1]), std::move(row[2])},
                      number(row[3]),
                      std::move(*vector),
                      true};
    node.sound = row[5] == checksum(manifest, node.node, node.vector);
    nodes.push_back(std::move(node));
  }
  return nodes;
}

void PostgresTables::for_each(const PostgresManifest& manifest,
                              const std::function<void(PostgresNode&& node)>& body) {
  std::string last;  // ids are not empty
  for (;;) {
    auto nodes = select(manifest, "WHERE id > $1 ORDER BY id LIMIT $2",
                        std::vector<std::string>{last, kBlockRows});
    if (nodes.empty()) return;
    last = nodes.back().node.id;
    for (PostgresNode& node : nodes) body(std::move(node));
  }
}

std::vector<PostgresNode> PostgresTables::with_ids(const PostgresManifest& manifest,
                                                   std::span<const std::string> ids) {
  return select(manifest, "WHERE id = ANY($1::text[])",
                std::vector<std::string>{postgres_array(ids)});
}

std::vector<PostgresNode> PostgresTables::with_texts(const PostgresManifest& manifest,
                                                     std::span<const std::string> texts) {
  return select(manifest, "WHERE text = ANY($1::text[])",
                std::vector<std::string>{postgres_array(texts)});
}

std::vector<PostgresNode> PostgresTables::nearest(const PostgresManifest& manifest,
                                                  std::span<const float> query, int count,
                                                  bool approximate) {
  if (approximate) {
    transaction_.run("SELECT set_config('hnsw.ef_search', $1, true)",
                     {std::to_string(std::max(count, kSearchWidth))});
    return select(manifest, "ORDER BY embedding <=> $1::vector LIMIT $2",
                  std::vector<std::string>{vector_text(query), std::to_string(count)});
  }
  // The distance of zeros is no number: they are similar to nothing. And written so, the
  // expression is not that of the HNSW index, which would be used else.
  return select(manifest,
                "ORDER BY coalesce(nullif(embedding <=> $1::vector, 'NaN'), 1), id LIMIT $2",
                std::vector<std::string>{vector_text(query), std::to_string(count)});
}

std::int64_t PostgresTables::next_position(const PostgresManifest& manifest) {
  const auto found =
      transaction_.run("SELECT (coalesce(max(position), -1) + 1)::text FROM " + nodes_of(manifest));
  return number(found[0][0]);
}

void PostgresTables::put(const PostgresManifest& manifest, std::span<const PostgresNode> nodes) {
  if (nodes.empty()) return;
  std::vector<std::string> ids, positions, texts, metadata, vectors, checksums;
  for (const PostgresNode& row : nodes) {
    ids.push_back(row.node.id);
    positions.push_back(std::to_string(row.position));
    texts.push_back(row.node.text);
    metadata.push_back(row.node.metadata);
    vectors.push_back(vector_text(row.vector));
    checksums.push_back(checksum(manifest, row.node, row.vector));
  }
  const std::string sql =
      "INSERT INTO " + nodes_of(manifest) +
      " (id, position, text, metadata, embedding, sha256) "
      "SELECT i, p, t, m::json, e::vector, s FROM unnest($1::text[], $2::bigint[], $3::text[], "
      "$4::text[], $5::text[], $6::text[]) AS given (i, p, t, m, e, s) "
      "ON CONFLICT (id) DO UPDATE SET position = excluded.position, text = excluded.text, "
      "metadata = excluded.metadata, embedding = excluded.embedding, sha256 = excluded.sha256";
  try {
    transaction_.run(
        sql, {postgres_array(ids), postgres_array(positions), postgres_array(texts),
              postgres_array(metadata), postgres_array(vectors), postgres_array(checksums)});
  } catch (const PostgresFailure& failure) {
    if (failure.state() != kTooLong) throw;
    const auto longest = std::max_element(
        ids.begin(), ids.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
    throw_error(ErrorKind::kData, failure.what(), "; the longest of these nodes' ids has ",
                longest->size(), " bytes ('", longest->substr(0, 40),
                "...'), PostgreSQL takes about 2,700: give shorter ones");
  }
}

void PostgresTables::move(const PostgresManifest& manifest, std::span<const std::string> ids,
                          std::span<const std::string> positions) {
  transaction_.run("UPDATE " + nodes_of(manifest) +
                       " AS n SET position = g.p FROM unnest($1::text[], $2::bigint[]) AS g (i, p) "
                       "WHERE n.id = g.i",
                   {postgres_array(ids), postgres_array(positions)});
}

void PostgresTables::remove(const PostgresManifest& manifest, std::span<const std::string> ids) {
  transaction_.run("DELETE FROM " + nodes_of(manifest) + " WHERE id = ANY($1::text[])",
                   {postgres_array(ids)});
}

}  // namespace attune
