// The program without its way to libattune: parses the arguments, answers what needs no model, and
// hands everything else to the library's entry. It stands between main() and libattune because
// libattune holds no YAML (docs/build.md, hazard 13).
#pragma once

#include "apps/library_main.h"

namespace attune {

// As main(), to be returned from it. `library` is called when work starts.
int program_main(int argc, char** argv, LibraryMain (*library)());

}  // namespace attune
