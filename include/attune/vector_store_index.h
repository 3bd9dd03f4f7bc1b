// LlamaIndex's VectorStoreIndex: passages and their vectors in a folder or a PostgreSQL database
// with pgvector, searched by cosine similarity. It remembers the model whose vectors it holds and
// refuses every other one.
//
//   auto model = attune::resolve_embed_model("runs/my-run/artifact");
//   auto index = attune::VectorStoreIndex::from_documents(nodes, model, "my-index");
//   for (const attune::NodeWithScore& hit : index.as_retriever(5).retrieve("how is it done?")) ...
//
// Which model fits: one with the index's document space, whose queries have the index's query
// space; or a query-only adapter over a model with that document space. Everything else is
// Error{kData} that names both models and the command that rebuilds the index.
//
// `place` is a folder, or postgresql://USER@HOST:PORT/DATABASE#INDEX (what is left out: libpq's
// environment, PGHOST, PGUSER, PGPASSWORD, ...; INDEX: a schema, without it "attune_index").
//
// A change of a folder writes a new generation beside the old one and then switches to it; one of a
// database is a transaction: after a crash the old or the new state is there (docs/formats.md).
// Whoever reads a folder goes on with the generation that he opened; each search of a database sees
// one state, the newest. One process writes at a time, another is refused.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <attune/base_embedding.h>

namespace attune {

struct TextNode {
  std::string id, text;         // UTF-8; an id is given once in an index
  std::string metadata = "{}";  // a JSON object; kept, not embedded
};

struct NodeWithScore {
  TextNode node;
  float score = 0;  // cosine similarity
};

struct IndexChanges {
  std::int64_t added = 0, changed = 0, removed = 0, unchanged = 0;  // nodes
  std::int64_t embedded = 0;                                        // texts
};

struct IndexOptions {
  // A graph of neighbours (HNSW) beside the vectors: searches are faster by far and miss a few. It
  // grows with what is added; when nodes go or change their text it is built anew, which takes a
  // minute for 100,000.
  bool approximate = false;
  // How the model is loaded again, for messages and `attune index search`; left out: its
  // model_name().
  std::string model, base;
  int max_length = 0;
  // Asked after every 1,024 texts: true is Error{kInterrupted}, and the index is as it was.
  std::function<bool()> stop_requested;
};

struct RetrieverOptions {
  bool exact = false;          // also where there is a graph
  std::string device = "cpu";  // of the exact search in a folder: cpu, cuda or cuda:N
};

class VectorIndexRetriever;

// Copies are the same index. Thread-safe: a search sees one generation, whatever is written
// meanwhile.
class ATTUNE_PUBLIC VectorStoreIndex {
 public:
  // Makes the index, or brings the one that is there to hold exactly these nodes: what has a vector
  // of this model already is not embedded again, and where nothing differs nothing is written.
  // Error{kData}: an id twice, text or metadata that is no UTF-8 or no JSON object, a folder or
  // schema with something else in it. Error{kResources}: no server, no pgvector.
  static VectorStoreIndex from_documents(std::span<const TextNode> nodes,
                                         std::shared_ptr<const BaseEmbedding> model,
                                         const std::string& place, const IndexOptions& options = {},
                                         IndexChanges* changes = nullptr);
  // The newest state.
  static VectorStoreIndex load(const std::string& place, std::shared_ptr<const BaseEmbedding> model,
                               const IndexOptions& options = {});
  // The same with Settings::embed_model() of each call: component kIndex where nodes are embedded,
  // kRetriever where queries are (attune/settings.h). A model that does not fit is refused then.
  static VectorStoreIndex from_documents(std::span<const TextNode> nodes, const std::string& place,
                                         const IndexOptions& options = {},
                                         IndexChanges* changes = nullptr);
  static VectorStoreIndex load(const std::string& place, const IndexOptions& options = {});

  VectorIndexRetriever as_retriever(int similarity_top_k = 2,
                                    const RetrieverOptions& options = {}) const;

  // Each is one new state, made from the newest one. Error{kData}: insert() of an id
  // that is there, delete_nodes() of one that is not.
  IndexChanges insert(std::span<const TextNode> nodes);
  IndexChanges delete_nodes(std::span<const std::string> ids);
  // Adds nodes whose ids are new and replaces those whose text or metadata differ; the others stay.
  // Embeds only new texts.
  IndexChanges refresh(std::span<const TextNode> nodes);
  // To the state that another process may have written since. True: there is one.
  bool reopen();

  std::int64_t size() const;
  std::vector<TextNode> nodes() const;  // in their order
  bool is_approximate() const;

 private:
  friend class VectorIndexRetriever;
  struct State;
  explicit VectorStoreIndex(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// Searches what the index holds at the time of each call.
class ATTUNE_PUBLIC VectorIndexRetriever {
 public:
  // At most similarity_top_k nodes: score descending, equal scores by ascending id.
  std::vector<NodeWithScore> retrieve(std::string_view query) const;
  std::vector<std::vector<NodeWithScore>> retrieve_batch(
      std::span<const std::string_view> queries) const;

 private:
  friend class VectorStoreIndex;
  VectorIndexRetriever(std::shared_ptr<VectorStoreIndex::State> state, int k,
                       const RetrieverOptions& options)
      : state_(std::move(state)), k_(k), options_(options) {}
  std::shared_ptr<VectorStoreIndex::State> state_;
  int k_;
  RetrieverOptions options_;
};

}  // namespace attune
