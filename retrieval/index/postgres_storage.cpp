#include "retrieval/index/postgres_storage.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/shell_word.h"
#include "retrieval/exact_search.h"
#include "retrieval/index/node_embedder.h"
#include "retrieval/index/postgres_tables.h"

namespace attune {
namespace {

using Kind = PostgresTransaction::Kind;

// Asked for beside the k best: what the server's rounding puts on the wrong side of the k-th.
constexpr int kMargin = 32;
constexpr int kMostCandidates = 1000;  // of pgvector's HNSW
constexpr int kTurns = 10;
constexpr std::size_t kBlockBytes = std::size_t{64} << 20;  // of texts that are sent at a time

void check_characters(std::span<const TextNode> nodes, const std::string& place) {
  for (const TextNode& node : nodes)
    for (const std::string* part : {&node.id, &node.text})
      if (part->find('\0') != std::string::npos)
        throw_error(ErrorKind::kData, place, ": node '", node.id.c_str(),
                    "': its id or text holds the character U+0000, which PostgreSQL does not "
                    "take; take it out, or keep the index in a folder");
}

PostgresManifest existing(PostgresTables& tables, const std::string& place) {
  auto manifest = tables.manifest();
  if (!manifest)
    throw_error(ErrorKind::kData, place, ": there is no index; make one: attune index build ",
                shell_word(place), " --model M --input FILE");
  return *manifest;
}

void check_sound(const PostgresNode& node, const std::string& place) {
  if (!node.sound)
    throw_error(ErrorKind::kData, place, ": the row of node '", node.node.id,
                "' was not written by attune, or damaged since: its checksum is not that of its "
                "text and vector; build the index again from its documents");
}

bool equal(const TextNode& a, const TextNode& b) {
  return a.text == b.text && a.metadata == b.metadata;
}

// Puts nodes into the table, with the vectors that it has for their texts, else embedded.
class NodeWriter {
 public:
  NodeWriter(PostgresTables& tables, const PostgresManifest& manifest, const IndexModel& model,
             std::size_t total)
      : tables_(tables),
        manifest_(manifest),
        embedder_(*model.embedding, model.stop_requested, static_cast<std::int64_t>(total)) {}

  void put(std::span<const TextNode> nodes, std::span<const std::int64_t> positions) {
    for (std::size_t begin = 0, end = 0; begin < nodes.size(); begin = end) {
      std::size_t bytes = 0;
      while (end < nodes.size() && end - begin < NodeEmbedder::kBlock && bytes < kBlockBytes)
        bytes += nodes[end++].text.size();
      put_block(nodes.subspan(begin, end - begin), positions.subspan(begin, end - begin));
    }
  }
  std::int64_t embedded() const { return embedder_.embedded(); }

 private:
  void put_block(std::span<const TextNode> nodes, std::span<const std::int64_t> positions) {
    std::vector<std::string> texts;
    for (const TextNode& node : nodes) texts.push_back(node.text);
    std::unordered_map<std::string, std::vector<float>> known;
    for (PostgresNode& old : tables_.with_texts(manifest_, texts))
      if (old.sound) known.emplace(old.node.text, std::move(old.vector));
    std::vector<const TextNode*> missing;
    for (const TextNode& node : nodes)
      if (!known.contains(node.text)) missing.push_back(&node);
    const std::vector<float> fresh = embedder_.embed(missing);
    const auto width = static_cast<std::size_t>(manifest_.space.dimension);
    for (std::size_t i = 0; i < missing.size(); ++i)
      known[missing[i]->text] = {fresh.begin() + i * width, fresh.begin() + (i + 1) * width};
    std::vector<PostgresNode> rows;
    for (std::size_t i = 0; i < nodes.size(); ++i)
      rows.push_back({nodes[i], positions[i], known.at(nodes[i].text), true});
    tables_.put(manifest_, rows);
  }

  PostgresTables& tables_;
  const PostgresManifest& manifest_;
  NodeEmbedder embedder_;
};

// The proposals by exact scores (retrieval/exact_search.h), best first.
std::vector<NodeWithScore> best(std::vector<PostgresNode> proposals, std::span<const float> query,
                                int k) {
  std::sort(proposals.begin(), proposals.end(),
            [](const auto& a, const auto& b) { return a.node.id < b.node.id; });
  std::vector<float> vectors;
  for (const PostgresNode& node : proposals)
    vectors.insert(vectors.end(), node.vector.begin(), node.vector.end());
  std::vector<std::int64_t> rank(proposals.size());
  std::iota(rank.begin(), rank.end(), 0);
  std::vector<NodeWithScore> found;
  const auto hits = exact_search(query, UnitRows(vectors, static_cast<int>(query.size())), k, rank);
  for (const Hit& hit : hits[0]) found.push_back({std::move(proposals[hit.row].node), hit.score});
  return found;
}

}  // namespace

PostgresStorage::PostgresStorage(const PostgresPlace& place)
    : place_(place.shown), schema_(place.schema), server_(place.url, place.shown) {}

template <class Body>
auto PostgresStorage::read(const Body& body) const {
  for (int turn = 1;; ++turn) {
    PostgresTransaction transaction(server_, Kind::kRead);
    try {
      PostgresTables tables(transaction, schema_, place_);
      const PostgresManifest manifest = existing(tables, place_);
      auto result = body(tables, manifest);
      transaction.commit();
      return result;
    } catch (const PostgresFailure& failure) {
      // A rebuild replaced the table since this transaction saw its name.
      if (failure.state() != "42P01" || turn == kTurns) throw;
    }
  }
}

IndexStorage::Held PostgresStorage::held() const {
  return read([](PostgresTables&, const PostgresManifest& manifest) {
    return Held{manifest.space, manifest.nodes, manifest.approximate};
  });
}

std::string PostgresStorage::state() const {
  return read([](PostgresTables&, const PostgresManifest& manifest) {
    return str_cat("generation ", manifest.generation, " of ", manifest.space.document_space);
  });
}

std::vector<TextNode> PostgresStorage::nodes() const {
  return read([&](PostgresTables& tables, const PostgresManifest& manifest) {
    std::vector<std::pair<std::int64_t, TextNode>> placed;
    tables.for_each(manifest, [&](PostgresNode&& node) {
      check_sound(node, place_);
      placed.emplace_back(node.position, std::move(node.node));
    });
    std::stable_sort(placed.begin(), placed.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<TextNode> nodes;
    for (auto& [_, node] : placed) nodes.push_back(std::move(node));
    return nodes;
  });
}

void PostgresStorage::verify() const {
  read([&](PostgresTables& tables, const PostgresManifest& manifest) {
    std::int64_t rows = 0;
    tables.for_each(manifest, [&](PostgresNode&& node) {
      check_sound(node, place_);
      ++rows;
    });
    if (rows != manifest.nodes)
      throw_error(ErrorKind::kData, place_, ": ", rows, " nodes, attune_index expects ",
                  manifest.nodes, "; build the index again from its documents");
    if (manifest.approximate && !tables.has_neighbours(manifest))
      throw_error(ErrorKind::kData, place_,
                  ": the HNSW index of approximate search is gone; build the index again");
    return rows;
  });
}

bool PostgresStorage::reopen(const IndexModel* model) {
  const std::int64_t newest = read([&](PostgresTables&, const PostgresManifest& manifest) {
    if (model) check_space(manifest.space, manifest.approximate, *model, place_);
    return manifest.generation;
  });
  return went_to(newest);
}

bool PostgresStorage::went_to(std::int64_t generation) {
  const std::scoped_lock lock(mutex_);
  return std::exchange(generation_, generation) != generation;
}

std::vector<std::vector<NodeWithScore>> PostgresStorage::search(
    const IndexModel& model, std::span<const float> queries, int k,
    const RetrieverOptions& options) const {
  return read([&](PostgresTables& tables, const PostgresManifest& manifest) {
    check_space(manifest.space, manifest.approximate, model, place_);
    UnitRows(queries, manifest.space.dimension, "query");  // refuses what is not finite
    const int count = k > (1 << 30) ? k : k + kMargin;
    const bool approximate = manifest.approximate && !options.exact && count <= kMostCandidates;
    std::vector<std::vector<NodeWithScore>> found;
    for (auto rest = queries; !rest.empty(); rest = rest.subspan(manifest.space.dimension)) {
      const auto query = rest.first(manifest.space.dimension);
      auto proposals = tables.nearest(manifest, query, count, approximate);
      for (const PostgresNode& node : proposals) check_sound(node, place_);
      found.push_back(best(std::move(proposals), query, k));
    }
    return found;
  });
}

IndexChanges PostgresStorage::build(const IndexModel& model, const IndexSpace& own,
                                    bool approximate, std::span<const TextNode> nodes) {
  check_characters(nodes, place_);
  PostgresTransaction transaction(server_, Kind::kWrite, model.stop_requested);
  PostgresTables tables(transaction, schema_, place_);
  tables.lock();
  const std::optional<PostgresManifest> old = tables.manifest();
  PostgresManifest next;
  next.space = space_to_keep(old ? &old->space : nullptr, model, own);
  next.generation = old ? old->generation + 1 : 1;
  next.nodes = std::ssize(nodes);
  next.approximate = approximate;
  const bool keeps_table = old && old->space.document_space == next.space.document_space &&
                           old->space.dimension == next.space.dimension;
  next.node_table = keeps_table ? old->node_table : next.generation;

  IndexChanges changes;
  std::unordered_map<std::string, std::int64_t> place_of;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    place_of.emplace(nodes[i].id, static_cast<std::int64_t>(i));
  std::vector<std::int64_t> stands(nodes.size(), -1);  // at this position, with its vector
  std::vector<std::string> gone;
  if (old)
    tables.for_each(*old, [&](PostgresNode&& row) {
      const auto found = place_of.find(row.node.id);
      if (found == place_of.end()) {
        gone.push_back(row.node.id);
        return;
      }
      const bool same = equal(nodes[found->second], row.node);
      ++(same ? changes.unchanged : changes.changed);
      if (keeps_table && same && row.sound) stands[found->second] = row.position;
    });
  changes.removed = std::ssize(gone);
  changes.added = std::ssize(nodes) - changes.unchanged - changes.changed;
  std::vector<TextNode> written;
  std::vector<std::int64_t> positions;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (stands[i] < 0) {
      written.push_back(nodes[i]);
      positions.push_back(static_cast<std::int64_t>(i));
    }
  // Positions have gaps where nodes were deleted, which matter only if something comes in between.
  std::vector<std::string> moved, moved_to;
  if (!written.empty() || !std::is_sorted(stands.begin(), stands.end()))
    for (std::size_t i = 0; i < nodes.size(); ++i)
      if (stands[i] >= 0 && stands[i] != static_cast<std::int64_t>(i)) {
        moved.push_back(nodes[i].id);
        moved_to.push_back(std::to_string(i));
      }
  if (keeps_table && written.empty() && gone.empty() && moved.empty() && old->space == next.space &&
      old->approximate == approximate) {
    went_to(old->generation);
    return changes;
  }

  if (!old) tables.make_schema();
  if (!keeps_table) tables.make_nodes(next);
  NodeWriter writer(tables, next, model, written.size());
  writer.put(written, positions);
  changes.embedded = writer.embedded();
  if (keeps_table) {
    if (!gone.empty()) tables.remove(next, gone);
    if (!moved.empty()) tables.move(next, moved, moved_to);
  }
  const bool has_neighbours = keeps_table && old->approximate;
  if (approximate && !has_neighbours) tables.make_neighbours(next);
  if (!approximate && has_neighbours) tables.drop_neighbours(next);
  tables.write_manifest(next, !old);
  transaction.commit();
  went_to(next.generation);
  if (old && !keeps_table) drop_old_tables();
  return changes;
}

// Behind the change: a client that still reads the old table would keep it from being committed,
// and all others from reading.
void PostgresStorage::drop_old_tables() {
  try {
    PostgresTransaction transaction(server_, Kind::kWrite);
    PostgresTables tables(transaction, schema_, place_);
    tables.lock();
    tables.drop_other_nodes(existing(tables, place_));
    transaction.commit();
  } catch (const Error& error) {
    log_warning(str_cat(error.what(),
                        "; the index is changed, the table of its former vectors stays until it is "
                        "built with another model again"));
  }
}

IndexChanges PostgresStorage::put(const IndexModel& model, std::span<const TextNode> nodes,
                                  bool only_new) {
  check_characters(nodes, place_);
  PostgresTransaction transaction(server_, Kind::kWrite, model.stop_requested);
  PostgresTables tables(transaction, schema_, place_);
  tables.lock();
  PostgresManifest manifest = existing(tables, place_);
  check_space(manifest.space, manifest.approximate, model, place_);
  std::vector<std::string> ids;
  for (const TextNode& node : nodes) ids.push_back(node.id);
  std::unordered_map<std::string, PostgresNode> old;
  for (PostgresNode& row : tables.with_ids(manifest, ids)) {
    check_sound(row, place_);
    old.emplace(row.node.id, std::move(row));
  }
  IndexChanges changes;
  std::vector<TextNode> written;
  std::vector<std::int64_t> positions;
  std::int64_t next_position = tables.next_position(manifest);
  for (const TextNode& node : nodes) {
    const auto found = old.find(node.id);
    if (found != old.end() && only_new)
      throw_error(ErrorKind::kData, place_, ": node '", node.id,
                  "' is there already; refresh() replaces it");
    if (found != old.end() && equal(found->second.node, node)) continue;
    ++(found == old.end() ? changes.added : changes.changed);
    written.push_back(node);
    positions.push_back(found == old.end() ? next_position++ : found->second.position);
  }
  changes.unchanged = manifest.nodes - changes.changed;
  if (written.empty()) return changes;
  NodeWriter writer(tables, manifest, model, written.size());
  writer.put(written, positions);
  changes.embedded = writer.embedded();
  ++manifest.generation;
  manifest.nodes += changes.added;
  tables.write_manifest(manifest, false);
  transaction.commit();
  went_to(manifest.generation);
  return changes;
}

IndexChanges PostgresStorage::insert(const IndexModel& model, std::span<const TextNode> nodes) {
  return put(model, nodes, true);
}

IndexChanges PostgresStorage::refresh(const IndexModel& model, std::span<const TextNode> nodes) {
  return put(model, nodes, false);
}

IndexChanges PostgresStorage::remove(const IndexModel& model, std::span<const std::string> ids) {
  PostgresTransaction transaction(server_, Kind::kWrite, model.stop_requested);
  PostgresTables tables(transaction, schema_, place_);
  tables.lock();
  PostgresManifest manifest = existing(tables, place_);
  check_space(manifest.space, manifest.approximate, model, place_);
  const auto refuse = [&](const std::string& id) {
    throw_error(ErrorKind::kData, place_, ": there is no node '", id, "' that could be deleted");
  };
  for (const std::string& id : ids)  // which no row can have
    if (id.find('\0') != std::string::npos || find_invalid_utf8(id) != std::string::npos)
      refuse(id);
  std::unordered_set<std::string> there;
  for (const PostgresNode& row : tables.with_ids(manifest, ids)) there.insert(row.node.id);
  for (const std::string& id : ids)
    if (!there.contains(id)) refuse(id);
  IndexChanges changes;
  changes.removed = std::ssize(there);
  changes.unchanged = manifest.nodes - changes.removed;
  if (there.empty()) return changes;
  tables.remove(manifest, ids);
  ++manifest.generation;
  manifest.nodes -= changes.removed;
  tables.write_manifest(manifest, false);
  transaction.commit();
  went_to(manifest.generation);
  return changes;
}

}  // namespace attune
