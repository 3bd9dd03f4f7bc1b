#include "retrieval/index/folder_storage.h"

#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "retrieval/index/index_writer.h"

namespace attune {
namespace {

using Generation = std::shared_ptr<const IndexGeneration>;

std::vector<TextNode> nodes_of(const IndexGeneration& generation) {
  std::vector<TextNode> nodes;
  for (std::int64_t row = 0; row < generation.size(); ++row) nodes.push_back(generation.node(row));
  return nodes;
}

bool equal(const TextNode& a, const TextNode& b) {
  return a.text == b.text && a.metadata == b.metadata;
}

// What becomes of the old nodes, by their ids.
IndexChanges compare(const IndexGeneration* old, std::span<const TextNode> nodes) {
  IndexChanges changes;
  std::int64_t found = 0;
  for (const TextNode& node : nodes) {
    const std::int64_t row = old ? old->find(node.id) : -1;
    found += row >= 0 ? 1 : 0;
    if (row < 0)
      ++changes.added;
    else if (equal(old->node(row), node))
      ++changes.unchanged;
    else
      ++changes.changed;
  }
  changes.removed = old ? old->size() - found : 0;
  return changes;
}

bool same_order(const IndexGeneration& old, std::span<const TextNode> nodes) {
  for (std::int64_t row = 0; row < old.size(); ++row)
    if (old.id(row) != nodes[row].id) return false;
  return true;
}

}  // namespace

FolderStorage::FolderStorage(std::string directory) : directory_(std::move(directory)) {}

Generation FolderStorage::current() const {
  {
    const std::lock_guard lock(mutex_);
    if (current_) return current_;
  }
  const std::lock_guard opening(opening_);
  const Generation newest = IndexGeneration::open(directory_);
  set_current(newest);
  return newest;
}

// Of a writer, who has the folder to himself.
void FolderStorage::adopt(Generation written) const {
  const std::lock_guard opening(opening_);
  set_current(std::move(written));
}

void FolderStorage::set_current(Generation generation) const {
  const std::lock_guard lock(mutex_);
  current_ = std::move(generation);
}

void FolderStorage::check(const IndexGeneration& generation, const IndexModel& model) const {
  check_space(generation.manifest().space, generation.has_graph(), model, directory_);
}

IndexStorage::Held FolderStorage::held() const {
  const Generation generation = current();
  return {generation->manifest().space, generation->size(), generation->has_graph()};
}

std::string FolderStorage::state() const { return current()->current().manifest; }

std::vector<TextNode> FolderStorage::nodes() const { return nodes_of(*current()); }

void FolderStorage::verify() const { current()->verify(); }

bool FolderStorage::reopen(const IndexModel* model) {
  const std::lock_guard opening(opening_);
  const Generation newest = IndexGeneration::open(directory_);
  if (model) check(*newest, *model);
  const std::lock_guard lock(mutex_);
  const Generation before = std::exchange(current_, newest);
  return !before || before->current().manifest != newest->current().manifest;
}

std::vector<std::vector<NodeWithScore>> FolderStorage::search(
    const IndexModel& model, std::span<const float> queries, int k,
    const RetrieverOptions& options) const {
  const Generation generation = current();
  check(*generation, model);
  const auto found = generation->search(queries, k, options.exact, options.device);
  std::vector<std::vector<NodeWithScore>> nodes(found.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    for (const Hit& hit : found[i]) nodes[i].push_back({generation->node(hit.row), hit.score});
  return nodes;
}

IndexChanges FolderStorage::build(const IndexModel& model, const IndexSpace& own, bool approximate,
                                  std::span<const TextNode> nodes) {
  IndexWriter writer(directory_, IndexWriter::Damaged::kReplaced);
  const Generation old = writer.newest();
  IndexChanges made = compare(old.get(), nodes);
  const IndexSpace space = space_to_keep(old ? &old->manifest().space : nullptr, model, own);
  const bool is_current = old && made.unchanged == std::ssize(nodes) && made.removed == 0 &&
                          same_order(*old, nodes) && old->manifest().space == space &&
                          old->has_graph() == approximate;
  if (!is_current)
    made.embedded =
        writer.write({nodes, space, approximate}, *model.embedding, model.stop_requested);
  adopt(writer.newest());
  return made;
}

IndexChanges FolderStorage::update(const IndexModel& model, const Change& change) {
  IndexWriter writer(directory_, IndexWriter::Damaged::kRefused);
  const Generation old = writer.newest();
  if (!old)
    throw_error(ErrorKind::kData, directory_, ": the index is gone; make it with from_documents");
  check(*old, model);
  adopt(old);
  std::vector<TextNode> nodes = nodes_of(*old);
  const bool differs = change(*old, nodes);
  IndexChanges changes = compare(old.get(), nodes);
  if (!differs) return changes;
  changes.embedded = writer.write({nodes, old->manifest().space, old->has_graph()},
                                  *model.embedding, model.stop_requested);
  adopt(writer.newest());
  return changes;
}

IndexChanges FolderStorage::insert(const IndexModel& model, std::span<const TextNode> nodes) {
  return update(model, [&](const IndexGeneration& old, std::vector<TextNode>& all) {
    for (const TextNode& node : nodes)
      if (old.find(node.id) >= 0)
        throw_error(ErrorKind::kData, directory_, ": node '", node.id,
                    "' is there already; refresh() replaces it");
    all.insert(all.end(), nodes.begin(), nodes.end());
    return !nodes.empty();
  });
}

IndexChanges FolderStorage::remove(const IndexModel& model, std::span<const std::string> ids) {
  return update(model, [&](const IndexGeneration& old, std::vector<TextNode>& all) {
    for (const std::string& id : ids)
      if (old.find(id) < 0)
        throw_error(ErrorKind::kData, directory_, ": there is no node '", id,
                    "' that could be deleted");
    const std::unordered_set<std::string> gone(ids.begin(), ids.end());
    return std::erase_if(all, [&](const TextNode& node) { return gone.contains(node.id); }) > 0;
  });
}

IndexChanges FolderStorage::refresh(const IndexModel& model, std::span<const TextNode> nodes) {
  return update(model, [&](const IndexGeneration& old, std::vector<TextNode>& all) {
    bool differs = false;
    for (const TextNode& node : nodes) {
      const std::int64_t row = old.find(node.id);
      if (row >= 0 && equal(all[row], node)) continue;
      differs = true;
      if (row >= 0)
        all[row] = node;
      else
        all.push_back(node);
    }
    return differs;
  });
}

}  // namespace attune
