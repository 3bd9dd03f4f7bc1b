// How much a command says on stderr: --quiet, --verbose.
#pragma once

#include "apps/arguments.h"

namespace attune {

// Of this side alone: the program and libattune each have a logger. Error{kConfig}: both options.
void set_messages(const Arguments& arguments);

}  // namespace attune
