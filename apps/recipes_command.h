// `attune recipes ls|cat|cp`: answered without torch.
#pragma once

#include "apps/arguments.h"

namespace attune {

// Error{kConfig}: an unknown name, with the nearest; a file that is there already.
void recipes_command(const Arguments& arguments);

}  // namespace attune
