// Embeds the texts that a new state of an index needs, block by block.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <attune/vector_store_index.h>

#include "core/progress.h"

namespace attune {

class NodeEmbedder {
 public:
  static constexpr std::size_t kBlock = 1024;  // texts embedded and written at a time

  // Of at most `total` texts, for telling how far it is. `stop_requested` is asked before each
  // block: true is Error{kInterrupted}.
  NodeEmbedder(const BaseEmbedding& model, const std::function<bool()>& stop_requested,
               std::int64_t total);

  // [nodes.size(), dimension]; a text that stands several times is embedded once. Error{kData}: a
  // vector that is not finite, with its node.
  std::vector<float> embed(const std::vector<const TextNode*>& nodes);

  std::int64_t embedded() const { return embedded_; }

 private:
  const BaseEmbedding& model_;
  const std::function<bool()>& stop_requested_;
  std::int64_t total_, done_ = 0, embedded_ = 0;  // nodes, and of those done the texts
  Progress progress_;
};

}  // namespace attune
