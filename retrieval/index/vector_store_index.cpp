#include <attune/vector_store_index.h>

#include "core/error.h"
#include "retrieval/index/index_storage.h"
#include "retrieval/index/node_lines.h"

namespace attune {

struct VectorStoreIndex::State {
  State(const std::string& place, std::shared_ptr<const BaseEmbedding> embedding,
        const IndexOptions& options)
      : storage(IndexStorage::at(place)),
        model{embedding, options.model.empty() ? embedding->model_name() : options.model,
              options.stop_requested} {}

  const std::shared_ptr<IndexStorage> storage;
  const IndexModel model;
};

VectorStoreIndex VectorStoreIndex::from_documents(std::span<const TextNode> nodes,
                                                  std::shared_ptr<const BaseEmbedding> model,
                                                  const std::string& place,
                                                  const IndexOptions& options,
                                                  IndexChanges* changes) {
  const std::vector<TextNode> checked = checked_nodes(nodes);
  auto state = std::make_shared<State>(place, std::move(model), options);
  const IndexSpace space =
      IndexSpace::of(*state->model.embedding, state->model.name, options.base, options.max_length);
  const IndexChanges made =
      state->storage->build(state->model, space, options.approximate, checked);
  if (changes) *changes = made;
  return VectorStoreIndex(std::move(state));
}

VectorStoreIndex VectorStoreIndex::load(const std::string& place,
                                        std::shared_ptr<const BaseEmbedding> model,
                                        const IndexOptions& options) {
  auto state = std::make_shared<State>(place, std::move(model), options);
  state->storage->reopen(&state->model);
  return VectorStoreIndex(std::move(state));
}

VectorIndexRetriever VectorStoreIndex::as_retriever(int similarity_top_k,
                                                    const RetrieverOptions& options) const {
  if (similarity_top_k < 1)
    throw_error(ErrorKind::kConfig, "similarity_top_k is ", similarity_top_k, ": at least 1");
  return {state_, similarity_top_k, options};
}

IndexChanges VectorStoreIndex::insert(std::span<const TextNode> nodes) {
  return state_->storage->insert(state_->model, checked_nodes(nodes));
}

IndexChanges VectorStoreIndex::delete_nodes(std::span<const std::string> ids) {
  return state_->storage->remove(state_->model, ids);
}

IndexChanges VectorStoreIndex::refresh(std::span<const TextNode> nodes) {
  return state_->storage->refresh(state_->model, checked_nodes(nodes));
}

bool VectorStoreIndex::reopen() { return state_->storage->reopen(&state_->model); }

std::int64_t VectorStoreIndex::size() const { return state_->storage->held().nodes; }

std::vector<TextNode> VectorStoreIndex::nodes() const { return state_->storage->nodes(); }

bool VectorStoreIndex::is_approximate() const { return state_->storage->held().approximate; }

std::vector<NodeWithScore> VectorIndexRetriever::retrieve(std::string_view query) const {
  return retrieve_batch(std::span(&query, 1))[0];
}

std::vector<std::vector<NodeWithScore>> VectorIndexRetriever::retrieve_batch(
    std::span<const std::string_view> queries) const {
  return state_->storage->search(
      state_->model, state_->model.embedding->get_query_embedding_batch(queries), k_, options_);
}

}  // namespace attune
