// Why a directory cannot be used.
#pragma once

#include <string>
#include <vector>

namespace attune {

// Everything that EmbeddingModel::load() would refuse, not only the first: modules, configuration,
// weights and tokenizer are looked at each for itself. Empty: it loads.
std::vector<std::string> model_mistakes(const std::string& directory, const std::string& base = "");

}  // namespace attune
