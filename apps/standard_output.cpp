#include "apps/standard_output.h"

#include <cerrno>
#include <system_error>

#include <unistd.h>

#include "core/error.h"

namespace attune {

void write_stdout(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      throw_error(ErrorKind::kResources,
                  "cannot write to stdout: ", std::generic_category().message(errno));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace attune
