// What to type to go on with an interrupted training.
#pragma once

#include <string>

namespace attune {

// The words of this `attune train` or `attune run`, quoted for a POSIX shell where they need it;
// `train` with --resume and without --overwrite (`run` goes on by itself).
std::string resume_command(int argc, const char* const* argv);

}  // namespace attune
