// Commands of two words, such as `data split`: help for the first word alone.
#pragma once

#include <string>
#include <vector>

namespace attune {

// The commands of the group that is asked about with `attune data --help` or `attune help data`;
// empty where `words` ask about none. Error{kConfig} for `attune data` alone.
std::string group_help(const std::vector<std::string>& words);

}  // namespace attune
