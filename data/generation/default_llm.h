// The language model of question generation where a configuration names none: what the application
// set (attune/settings.h), else what the user chose (core/user_settings.h).
#pragma once

#include <optional>
#include <string>

#include "data/generation/llm_config.h"

namespace attune {

// MODEL@https://HOST/v1?api_key_env=NAME; empty: takes it back. Error{kConfig}: not written so.
void set_default_llm(const std::string& name);
std::string default_llm_name();  // empty: there is none
std::optional<LlmConfig> default_llm();

}  // namespace attune
