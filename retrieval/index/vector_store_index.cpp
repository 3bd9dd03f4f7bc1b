#include <array>
#include <mutex>

#include <attune/settings.h>
#include <attune/vector_store_index.h>

#include "core/error.h"
#include "retrieval/index/index_storage.h"
#include "retrieval/index/node_lines.h"

namespace attune {

struct VectorStoreIndex::State {
  State(const std::string& place, std::shared_ptr<const BaseEmbedding> embedding,
        const IndexOptions& options)
      : storage(IndexStorage::at(place)),
        given(std::move(embedding)),
        name(options.model),
        stop_requested(options.stop_requested) {}

  // The model that was given, else that of Settings by now.
  std::shared_ptr<const IndexModel> model(Settings::Component component) const {
    auto embedding = given ? given : Settings::embed_model(component);
    const std::lock_guard lock(mutex_);
    auto& last = last_[given ? 0 : static_cast<std::size_t>(component)];
    if (!last || last->embedding != embedding)
      last = std::make_shared<const IndexModel>(std::move(embedding), name, stop_requested);
    return last;
  }
  std::shared_ptr<const IndexModel> indexing_model() const {
    return model(Settings::Component::kIndex);
  }
  // A model of Settings is checked when it is used.
  bool reopen() const { return storage->reopen(given ? indexing_model().get() : nullptr); }

  const std::shared_ptr<IndexStorage> storage;
  const std::shared_ptr<const BaseEmbedding> given;  // null: that of Settings, at each call
  const std::string name;
  const std::function<bool()> stop_requested;

 private:
  mutable std::mutex mutex_;
  mutable std::array<std::shared_ptr<const IndexModel>, 2> last_;  // kIndex, kRetriever
};

VectorStoreIndex VectorStoreIndex::from_documents(std::span<const TextNode> nodes,
                                                  std::shared_ptr<const BaseEmbedding> model,
                                                  const std::string& place,
                                                  const IndexOptions& options,
                                                  IndexChanges* changes) {
  const std::vector<TextNode> checked = checked_nodes(nodes);
  auto state = std::make_shared<State>(place, std::move(model), options);
  const auto with = state->indexing_model();
  const IndexSpace space = IndexSpace::of(*with, options.base, options.max_length);
  const IndexChanges made = state->storage->build(*with, space, options.approximate, checked);
  if (changes) *changes = made;
  return VectorStoreIndex(std::move(state));
}

VectorStoreIndex VectorStoreIndex::load(const std::string& place,
                                        std::shared_ptr<const BaseEmbedding> model,
                                        const IndexOptions& options) {
  auto state = std::make_shared<State>(place, std::move(model), options);
  state->reopen();
  return VectorStoreIndex(std::move(state));
}

VectorStoreIndex VectorStoreIndex::from_documents(std::span<const TextNode> nodes,
                                                  const std::string& place,
                                                  const IndexOptions& options,
                                                  IndexChanges* changes) {
  return from_documents(nodes, nullptr, place, options, changes);
}

VectorStoreIndex VectorStoreIndex::load(const std::string& place, const IndexOptions& options) {
  return load(place, nullptr, options);
}

VectorIndexRetriever VectorStoreIndex::as_retriever(int similarity_top_k,
                                                    const RetrieverOptions& options) const {
  if (similarity_top_k < 1)
    throw_error(ErrorKind::kConfig, "similarity_top_k is ", similarity_top_k, ": at least 1");
  return {state_, similarity_top_k, options};
}

IndexChanges VectorStoreIndex::insert(std::span<const TextNode> nodes) {
  return state_->storage->insert(*state_->indexing_model(), checked_nodes(nodes));
}

IndexChanges VectorStoreIndex::delete_nodes(std::span<const std::string> ids) {
  return state_->storage->remove(*state_->indexing_model(), ids);
}

IndexChanges VectorStoreIndex::refresh(std::span<const TextNode> nodes) {
  return state_->storage->refresh(*state_->indexing_model(), checked_nodes(nodes));
}

bool VectorStoreIndex::reopen() { return state_->reopen(); }

std::int64_t VectorStoreIndex::size() const { return state_->storage->held().nodes; }

std::vector<TextNode> VectorStoreIndex::nodes() const { return state_->storage->nodes(); }

bool VectorStoreIndex::is_approximate() const { return state_->storage->held().approximate; }

std::vector<NodeWithScore> VectorIndexRetriever::retrieve(std::string_view query) const {
  return retrieve_batch(std::span(&query, 1))[0];
}

std::vector<std::vector<NodeWithScore>> VectorIndexRetriever::retrieve_batch(
    std::span<const std::string_view> queries) const {
  const auto model = state_->model(Settings::Component::kRetriever);
  return state_->storage->search(*model, model->embedding->get_query_embedding_batch(queries), k_,
                                 options_);
}

}  // namespace attune
