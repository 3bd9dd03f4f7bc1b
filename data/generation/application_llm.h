// A language model that the application gave as an object (attune/llm.h), as the default of
// generation (data/generation/default_llm.h) and as an LLM.
#pragma once

#include <memory>
#include <string>

#include <attune/llm.h>

#include "data/generation/llm.h"

namespace attune {

// LlmConfig::url of such a model; its `model` is the object's name.
inline constexpr const char* kApplicationLlm = "application";

// In place of what was set before, object or name. Error{kConfig}: null, or without a name.
void set_default_llm(std::shared_ptr<LanguageModel> model);

// Error{kConfig}: the application has set no object of that name.
std::unique_ptr<LLM> make_application_llm(const std::string& name);

// A program that links libattune has this room twice, in libattune and beside it, where the
// configuration is read (docs/build.md, hazard 13). That one asks this function, which is
// libattune's Settings::llm().
void ask_for_default_llm(std::string (*name)());

}  // namespace attune
