// `attune alias list|show|rollback|rm`: names of finetuned models in use (core/alias_registry.h).
// Answered without LibTorch; `attune alias set` looks at models and is libattune's.
#pragma once

#include "apps/arguments.h"

namespace attune {

void alias_command(const std::string& verb, const Arguments& arguments);

}  // namespace attune
