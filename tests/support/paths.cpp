#include "tests/support/paths.h"

namespace attune {

std::string source_path(const char* below) { return std::string(ATTUNE_SOURCE_DIR "/") + below; }
std::string binary_path(const char* below) { return std::string(ATTUNE_BINARY_DIR "/") + below; }

}  // namespace attune
