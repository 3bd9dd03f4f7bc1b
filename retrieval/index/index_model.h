// The model that somebody comes to an index with.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <attune/base_embedding.h>

namespace attune {

struct IndexModel {
  IndexModel(std::shared_ptr<const BaseEmbedding> model, std::string model_name,
             std::function<bool()> stop = {})
      : embedding(std::move(model)),
        name(model_name.empty() ? embedding->model_name() : std::move(model_name)),
        stop_requested(std::move(stop)),
        document_space(embedding->document_space()),
        query_space(embedding->query_space()),
        base_query_space(embedding->base_query_space()) {}

  // Its queries lie in its base's document space, whatever prompt it was trained with.
  bool is_query_adapter() const { return query_space != base_query_space; }

  std::shared_ptr<const BaseEmbedding> embedding;
  std::string name;  // in messages
  std::function<bool()> stop_requested;
  // Asked for once: each is a hash of all weights.
  std::string document_space, query_space, base_query_space;
};

}  // namespace attune
