#include "models/adapter_config.h"

#include <algorithm>
#include <set>

namespace attune {

AdapterConfig::Setting AdapterConfig::split_setting(const std::string& entry) {
  const std::size_t equals = entry.find('=');
  if (equals == std::string::npos) return {"", entry};
  return {entry.substr(0, equals), entry.substr(equals + 1)};
}

std::string AdapterConfig::settings_mistake() const {
  static const std::set<std::string> kBuiltIn = {"linear", "low_rank", "two_layer"};
  if (!settings.empty() && kBuiltIn.contains(type))
    return "are those of registered types: " + type + " has keys of its own beside this one";
  std::set<std::string> names = {"in_features", "out_features"};  // adapter.out_features sets it
  for (const std::string& entry : settings) {
    const auto [name, value] = split_setting(entry);
    if (name.empty() || value.empty() || name.find_first_of(" \t\n") != std::string::npos)
      return "'" + entry + "': expected name=value";
    if (!names.insert(name).second) return "'" + name + "' is given twice, or is not a setting";
  }
  return "";
}

}  // namespace attune
