// The model that a run has made, by its job's id (`attune jobs list`).
#pragma once

#include <memory>
#include <string>

#include <attune/base_embedding.h>

namespace attune {

// Of a succeeded job, by its id or its model's. Throws attune::Error: no such job; a job that is
// queued, running, failed, cancelled or interrupted, by its id and status; an artifact that is
// gone. What resolve_embed_model() takes goes through to the model.
ATTUNE_PUBLIC std::shared_ptr<const BaseEmbedding> get_finetuned_model(
    const std::string& job, const EmbedOptions& options = {});

}  // namespace attune
