// The program for those who link libattune instead of loading it.
#include <attune/program.h>

#include "apps/program.h"

namespace attune {

int run_program(int argc, char** argv) {
  return program_main(argc, argv, [] { return LibraryMain{attune_main}; });
}

}  // namespace attune
