// `attune config check|print|doc|schema`: answered without torch.
#pragma once

#include "apps/arguments.h"

namespace attune {

void config_command(const Arguments& arguments);

}  // namespace attune
