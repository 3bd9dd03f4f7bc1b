// What an artifact's attune.json says of where it comes from: "parents", the finetuned models
// before it, the nearest first, down to one that attune did not make.
#pragma once

#include <string>

#include "core/json.h"

namespace attune {

// Of a run that starts from `directory` (a model or a saved adapter): that one and its own parents,
// each {"kind": "model" or "adapter", "run", "base", "base_fingerprint", "fingerprint", "steps",
// "best_step", "data", "attune"}, of which it holds what its attune.json does. An empty array where
// there is no attune.json; one that is not understood is warned of.
Json parents_of(const std::string& directory);

// As Markdown, for the model card; empty without parents.
std::string describe_parents(const Json& parents);

}  // namespace attune
