// Where the tests' files lie. The folders' names stand in paths.cpp alone, so that the compiler
// cache serves one clone what another compiled.
#pragma once

#include <string>

namespace attune {

std::string source_path(const char* below);  // "tests/fixtures" -> "<source folder>/tests/fixtures"
std::string binary_path(const char* below);  // the same for the build folder

}  // namespace attune
