#include "data/generation/default_llm.h"

#include <array>
#include <mutex>

#include "core/served_model.h"
#include "core/user_settings.h"

namespace attune {
namespace {

std::mutex mutex;
std::string set_by_application;

LlmConfig parse(const std::string& name, const std::string& place) {
  constexpr std::array<std::string_view, 1> kSettings = {"api_key_env"};
  const ServedModel served = parse_served_model(name, kSettings, place);
  LlmConfig config;
  config.url = served.url;
  config.model = served.model;
  if (const auto key = served.settings.find("api_key_env"); key != served.settings.end())
    config.api_key_env = key->second;
  return config;
}

}  // namespace

void set_default_llm(const std::string& name) {
  if (!name.empty()) parse(name, "Settings::set_llm()");
  const std::scoped_lock lock(mutex);
  set_by_application = name;
}

std::string default_llm_name() {
  {
    const std::scoped_lock lock(mutex);
    if (!set_by_application.empty()) return set_by_application;
  }
  return user_setting("llm").value_or("");
}

std::optional<LlmConfig> default_llm() {
  const std::string name = default_llm_name();
  if (name.empty()) return std::nullopt;
  return parse(name, user_variable("llm") + " or llm in " + user_settings_path());
}

}  // namespace attune
