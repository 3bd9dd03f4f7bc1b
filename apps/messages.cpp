#include "apps/messages.h"

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"

namespace attune {

void set_messages(const Arguments& arguments) {
  const bool quiet = arguments.has("--quiet"), verbose = arguments.has("--verbose");
  if (quiet && verbose) throw_error(ErrorKind::kConfig, "--quiet and --verbose exclude each other");
  set_progress_shown(!quiet);
  set_log_level(quiet ? LogLevel::kWarning : verbose ? LogLevel::kDebug : LogLevel::kInfo);
}

}  // namespace attune
