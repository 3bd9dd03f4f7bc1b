#include "retrieval/index/node_embedder.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "core/error.h"

namespace attune {

NodeEmbedder::NodeEmbedder(const BaseEmbedding& model, const std::function<bool()>& stop_requested,
                           std::int64_t total)
    : model_(model),
      stop_requested_(stop_requested),
      total_(total),
      progress_("index: embedding", total) {}

std::vector<float> NodeEmbedder::embed(const std::vector<const TextNode*>& nodes) {
  if (nodes.empty()) return {};
  if (stop_requested_ && stop_requested_())
    throw_error(ErrorKind::kInterrupted, "the index: stopped after embedding ", embedded_, " of ",
                total_, " texts; the index is as it was");
  std::vector<std::string_view> texts;
  for (const TextNode* node : nodes) texts.push_back(node->text);
  std::vector<float> vectors = model_.get_text_embedding_batch(texts);
  const auto bad =
      std::find_if(vectors.begin(), vectors.end(), [](float x) { return !std::isfinite(x); });
  if (bad != vectors.end())
    throw_error(ErrorKind::kData, model_.model_name(), ": the vector of node '",
                nodes[(bad - vectors.begin()) / model_.dimension()]->id,
                "' holds NaN or infinity; the model's weights are not usable");
  embedded_ += std::ssize(nodes);
  progress_.update(embedded_);
  return vectors;
}

}  // namespace attune
