#include <attune/settings.h>
#include <attune/vector_store_index.h>

#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "retrieval/index/index_generation.h"
#include "retrieval/index/index_writer.h"
#include "retrieval/index/node_lines.h"

namespace attune {
namespace {

using Generation = std::shared_ptr<const IndexGeneration>;
using Model = std::shared_ptr<const BaseEmbedding>;

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

bool equal(const IndexSpace& a, const IndexSpace& b) {
  return a.model == b.model && a.base == b.base && a.max_length == b.max_length &&
         a.document_space == b.document_space && a.query_space == b.query_space &&
         a.dimension == b.dimension;
}

}  // namespace

struct VectorStoreIndex::State {
  State(std::string directory_, std::shared_ptr<const BaseEmbedding> model_,
        const IndexOptions& options)
      : directory(std::move(directory_)),
        given(std::move(model_)),
        given_name(options.model),
        stop_requested(options.stop_requested),
        wants_graph(options.approximate) {}

  Generation generation() const {
    const std::lock_guard lock(mutex);
    return current;
  }
  void adopt(Generation newer) {
    const std::lock_guard lock(mutex);
    if (!current || newer->current().number > current->current().number) current = std::move(newer);
  }
  // The model that was given, or that of Settings.
  Model model(Settings::Component component) const {
    return given ? given : Settings::embed_model(component);
  }
  std::string name_of(const Model& model) const {  // in messages
    return given_name.empty() ? model->model_name() : given_name;
  }
  void check(const IndexGeneration& generation, const Model& model) const {
    check_space(generation.manifest(), *model, name_of(model), directory);
  }
  // Once for each generation and model: the space is a hash of all weights.
  void check_once(const Generation& generation, const Model& model) const {
    {
      const std::lock_guard lock(mutex);
      if (checked_generation == generation && checked_model == model) return;
    }
    check(*generation, model);
    const std::lock_guard lock(mutex);
    checked_generation = generation;
    checked_model = model;
  }

  // One new generation: `change` turns the nodes of the newest one into those of the next, and
  // says whether there is a difference.
  using Change = std::function<bool(const IndexGeneration& old, std::vector<TextNode>& nodes)>;
  IndexChanges update(const Change& change) {
    IndexWriter writer(directory, IndexWriter::Damaged::kRefused);
    const Generation old = writer.newest();
    if (!old)
      throw_error(ErrorKind::kData, directory, ": the index is gone; make it with from_documents");
    const Model embedding = model(Settings::Component::kIndex);
    check(*old, embedding);
    adopt(old);
    std::vector<TextNode> nodes = nodes_of(*old);
    const bool differs = change(*old, nodes);
    IndexChanges changes = compare(old.get(), nodes);
    if (!differs) return changes;
    changes.embedded =
        writer.write({nodes, old->manifest().space, old->manifest().graph_file || wants_graph},
                     *embedding, stop_requested);
    adopt(writer.newest());
    return changes;
  }

  const std::string directory;
  const Model given;  // null: that of Settings, at each call
  const std::string given_name;
  const std::function<bool()> stop_requested;
  const bool wants_graph;

 private:
  mutable std::mutex mutex;
  Generation current;
  mutable Generation checked_generation;
  mutable Model checked_model;
};

VectorStoreIndex VectorStoreIndex::from_documents(std::span<const TextNode> nodes,
                                                  std::shared_ptr<const BaseEmbedding> model,
                                                  const std::string& directory,
                                                  const IndexOptions& options,
                                                  IndexChanges* changes) {
  const std::vector<TextNode> checked = checked_nodes(nodes);
  auto state = std::make_shared<State>(directory, std::move(model), options);
  const Model embedding = state->model(Settings::Component::kIndex);
  IndexWriter writer(directory, IndexWriter::Damaged::kReplaced);
  const Generation old = writer.newest();
  IndexSpace space =
      IndexSpace::of(*embedding, state->name_of(embedding), options.base, options.max_length);
  IndexChanges made = compare(old.get(), checked);
  // Behind a query-only adapter the index stays its base's.
  if (old && is_query_adapter(*embedding) &&
      old->manifest().space.document_space == space.document_space)
    space = old->manifest().space;
  const bool has_graph = old && (old->has_graph() || old->size() == 0);
  const bool is_current = old && made.unchanged == std::ssize(checked) && made.removed == 0 &&
                          same_order(*old, checked) && equal(old->manifest().space, space) &&
                          has_graph == (options.approximate || old->size() == 0);
  if (!is_current)
    made.embedded =
        writer.write({checked, space, options.approximate}, *embedding, options.stop_requested);
  state->adopt(writer.newest());
  if (changes) *changes = made;
  return VectorStoreIndex(std::move(state));
}

VectorStoreIndex VectorStoreIndex::load(const std::string& directory,
                                        std::shared_ptr<const BaseEmbedding> model,
                                        const IndexOptions& options) {
  auto state = std::make_shared<State>(directory, std::move(model), options);
  const Generation newest = IndexGeneration::open(directory);
  if (state->given) state->check(*newest, state->given);
  state->adopt(newest);
  return VectorStoreIndex(std::move(state));
}

VectorStoreIndex VectorStoreIndex::from_documents(std::span<const TextNode> nodes,
                                                  const std::string& directory,
                                                  const IndexOptions& options,
                                                  IndexChanges* changes) {
  return from_documents(nodes, nullptr, directory, options, changes);
}

VectorStoreIndex VectorStoreIndex::load(const std::string& directory, const IndexOptions& options) {
  return load(directory, nullptr, options);
}

VectorIndexRetriever VectorStoreIndex::as_retriever(int similarity_top_k,
                                                    const RetrieverOptions& options) const {
  if (similarity_top_k < 1)
    throw_error(ErrorKind::kConfig, "similarity_top_k is ", similarity_top_k, ": at least 1");
  return {state_, similarity_top_k, options};
}

IndexChanges VectorStoreIndex::insert(std::span<const TextNode> nodes) {
  const std::vector<TextNode> added = checked_nodes(nodes);
  return state_->update([&](const IndexGeneration& old, std::vector<TextNode>& all) {
    for (const TextNode& node : added)
      if (old.find(node.id) >= 0)
        throw_error(ErrorKind::kData, state_->directory, ": node '", node.id,
                    "' is there already; refresh() replaces it");
    all.insert(all.end(), added.begin(), added.end());
    return !added.empty();
  });
}

IndexChanges VectorStoreIndex::delete_nodes(std::span<const std::string> ids) {
  return state_->update([&](const IndexGeneration& old, std::vector<TextNode>& all) {
    for (const std::string& id : ids)
      if (old.find(id) < 0)
        throw_error(ErrorKind::kData, state_->directory, ": there is no node '", id,
                    "' that could be deleted");
    const std::unordered_set<std::string> gone(ids.begin(), ids.end());
    return std::erase_if(all, [&](const TextNode& node) { return gone.contains(node.id); }) > 0;
  });
}

IndexChanges VectorStoreIndex::refresh(std::span<const TextNode> nodes) {
  const std::vector<TextNode> given = checked_nodes(nodes);
  return state_->update([&](const IndexGeneration& old, std::vector<TextNode>& all) {
    bool differs = false;
    for (const TextNode& node : given) {
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

bool VectorStoreIndex::reopen() {
  const Generation newest = IndexGeneration::open(state_->directory);
  if (newest->current().number == state_->generation()->current().number) return false;
  if (state_->given) state_->check(*newest, state_->given);
  state_->adopt(newest);
  return true;
}

std::int64_t VectorStoreIndex::size() const { return state_->generation()->size(); }

std::vector<TextNode> VectorStoreIndex::nodes() const { return nodes_of(*state_->generation()); }

bool VectorStoreIndex::is_approximate() const { return state_->generation()->has_graph(); }

std::vector<NodeWithScore> VectorIndexRetriever::retrieve(std::string_view query) const {
  return retrieve_batch(std::span(&query, 1))[0];
}

std::vector<std::vector<NodeWithScore>> VectorIndexRetriever::retrieve_batch(
    std::span<const std::string_view> queries) const {
  const Generation generation = state_->generation();
  const Model model = state_->model(Settings::Component::kRetriever);
  if (!state_->given) state_->check_once(generation, model);
  const std::vector<float> vectors = model->get_query_embedding_batch(queries);
  const auto found = generation->search(vectors, k_, options_.exact, options_.device);
  std::vector<std::vector<NodeWithScore>> nodes(found.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    for (const Hit& hit : found[i]) nodes[i].push_back({generation->node(hit.row), hit.score});
  return nodes;
}

}  // namespace attune
