// The program for those who link libattune instead of loading it.
#include <attune/program.h>
#include <attune/settings.h>

#include "apps/program.h"
#include "data/generation/application_llm.h"

namespace attune {

int run_program(int argc, char** argv) {
  ask_for_default_llm(Settings::llm);
  return program_main(argc, argv, [] { return LibraryMain{attune_main}; });
}

}  // namespace attune
