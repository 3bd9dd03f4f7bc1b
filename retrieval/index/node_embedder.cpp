#include "retrieval/index/node_embedder.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <unordered_map>

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
  std::unordered_map<std::string_view, std::size_t> place_of;
  std::vector<std::size_t> places;  // [nodes] among the texts
  for (const TextNode* node : nodes) {
    const auto [found, is_new] = place_of.try_emplace(node->text, texts.size());
    if (is_new) texts.push_back(node->text);
    places.push_back(found->second);
  }
  const std::vector<float> embedded = model_.get_text_embedding_batch(texts);
  const auto width = static_cast<std::size_t>(model_.dimension());
  std::vector<float> vectors;
  vectors.reserve(nodes.size() * width);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const std::span row = std::span(embedded).subspan(places[i] * width, width);
    if (!std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); }))
      throw_error(ErrorKind::kData, model_.model_name(), ": the vector of node '", nodes[i]->id,
                  "' holds NaN or infinity; the model's weights are not usable");
    vectors.insert(vectors.end(), row.begin(), row.end());
  }
  embedded_ += std::ssize(texts);
  done_ += std::ssize(nodes);
  progress_.update(done_);
  return vectors;
}

}  // namespace attune
