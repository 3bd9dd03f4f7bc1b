#include "pipeline/run_lock.h"

#include "core/error.h"

namespace attune {

RunLock::RunLock(const std::string& run_directory) : file_(run_directory + "/.lock") {
  if (!file_.lock(/*wait=*/false))
    throw_error(ErrorKind::kResources, run_directory,
                ": another attune works in this directory; wait for it, or give another 'output'");
  remove_stale_temporaries_below(run_directory);
}

}  // namespace attune
