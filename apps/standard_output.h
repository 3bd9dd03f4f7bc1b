// stdout is data: what cannot be written is an error, never lost in silence.
#pragma once

#include <string_view>

namespace attune {

// Error{kResources}: a full disk, a closed pipe (SIGPIPE is ignored by both entries).
void write_stdout(std::string_view text);

}  // namespace attune
