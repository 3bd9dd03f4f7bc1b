#include "core/user_settings.h"

#include <cctype>
#include <cstdlib>
#include <filesystem>

#include "core/error.h"
#include "core/file.h"
#include "core/job_registry.h"
#include "core/json.h"

namespace attune {

std::string user_settings_path() {
  return (std::filesystem::path(JobRegistry::default_path()).parent_path() / "settings.json")
      .string();
}

std::string user_variable(const std::string& key) {
  std::string name = "ATTUNE_";
  for (const char c : key) name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

std::optional<std::string> user_setting(const std::string& key) {
  if (const char* const value = std::getenv(user_variable(key).c_str());
      value != nullptr && *value != '\0')
    return value;
  const std::string path = user_settings_path();
  if (!file_exists(path)) return std::nullopt;
  const Json settings = read_json_file(path, 1 << 20);
  const auto refuse = [&](const std::string& why) {
    throw_error(ErrorKind::kData, path, ": ", why,
                "; expected {\"embed_model\": \"local:DIR\", \"llm\": \"MODEL@https://HOST/v1\"}, "
                "each of them if it is wanted");
  };
  if (!settings.is_object()) refuse("is no JSON object");
  std::optional<std::string> found;
  for (const auto& [name, value] : settings.items()) {
    if (name != "embed_model" && name != "llm") refuse("'" + name + "' is not known");
    if (!value.is_string()) refuse("'" + name + "' is no text");
    if (name == key && !value.get_ref<const std::string&>().empty())
      found = value.get<std::string>();
  }
  return found;
}

}  // namespace attune
