// What the user has chosen for all runs: environment variables, and settings.json in the folder of
// the job registry ($ATTUNE_HOME, docs/formats.md).
#pragma once

#include <optional>
#include <string>

namespace attune {

// `key` is embed_model or llm; its variable, ATTUNE_EMBED_MODEL or ATTUNE_LLM, comes first. None:
// the user has chosen none, and an empty text is none. Error{kData}: a file that is no JSON object
// of texts, or with other keys.
std::optional<std::string> user_setting(const std::string& key);

std::string user_settings_path();
std::string user_variable(const std::string& key);  // ATTUNE_EMBED_MODEL

}  // namespace attune
