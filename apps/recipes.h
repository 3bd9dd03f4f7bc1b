// The files of configs/, which the program carries in it, so that an installed one has them too.
#pragma once

#include <string>
#include <vector>

namespace attune {

struct Recipe {
  std::string name, text;  // "adapter", the YAML
  // The first sentence below the command that the text begins with.
  std::string description() const;
};

const std::vector<Recipe>& recipes();  // sorted by name

}  // namespace attune
