// The artifact's README.md: front matter that hubs read, what was measured, what it was made of,
// and how to use it. Everything in it is in attune.json and evaluation.json, so that it can be
// written anew when the model has been measured.
#pragma once

#include <cstdint>
#include <string>

#include "core/json.h"
#include "models/embedding_model.h"
#include "trainer/finetune_engine.h"

namespace attune {

// What the card needs of the model and its training beside the lineage: attune.json's "card"
// (docs/formats.md).
Json card_facts(const EmbeddingModel& model, const FinetuneOptions& options,
                std::int64_t num_pairs);

// The same of an adapter: `embedding` is the adapter behind its base.
Json adapter_card_facts(const BaseEmbedding& embedding, const FinetuneOptions& options,
                        std::int64_t num_pairs);

// `lineage`: attune.json with "card" in it. `evaluation`: what report_json() gives, with systems
// "base" and "finetuned" where they were measured, and in `examples` questions with what the two
// found first; null: not measured yet. With "adapter" in the lineage it is an adapter's card.
std::string model_card(const Json& lineage, const Json& evaluation);

// Writes ARTIFACT/README.md anew with these measurements, unless it has them already: what a person
// adds to a card stays until the model is measured again. Artifacts without a card's facts
// (those of earlier versions) are left alone.
void add_measurements(const std::string& artifact, const Json& evaluation);

}  // namespace attune
