// The whole `attune` program as a function, for a program that adds something of its own to it:
//
//   int main(int argc, char** argv) {
//     attune::register_adapter("my_kind", make_my_kind);
//     return attune::run_program(argc, argv);
//   }
//
// has every command of `attune`, trains adapter.type my_kind, and loads what was saved with it.
// CMake: find_package(attune) and attune::program (docs/examples/custom_adapter).
#pragma once

namespace attune {

// As main(), to be returned from it: arguments, stdout, stderr and exit codes are those of
// `attune`. Never throws. To be called once. Start such a program with OMP_WAIT_POLICY=passive on a
// machine that is busy with other work: `attune` sets it itself, before it loads LibTorch, and here
// LibTorch is loaded when main() begins (docs/build.md, hazard 14).
int run_program(int argc, char** argv);

}  // namespace attune
