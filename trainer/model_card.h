// The artifact's README.md: front matter that hubs read, then what was done in plain words.
#pragma once

#include <cstdint>
#include <string>

#include "models/embedding_model.h"
#include "trainer/finetune_engine.h"

namespace attune {

// `parents`: parents_of() the base.
std::string model_card(const EmbeddingModel& model, const FinetuneOptions& options,
                       std::int64_t num_pairs, const Json& parents);

}  // namespace attune
