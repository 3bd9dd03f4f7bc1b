#include "pipeline/run_lock.h"

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/error.h"

namespace attune {

RunLock::RunLock(const std::string& run_directory) {
  std::error_code error;
  std::filesystem::create_directories(run_directory, error);
  if (error)
    throw_error(ErrorKind::kResources, run_directory,
                ": cannot make the run directory: ", error.message());
  const std::string path = run_directory + "/.lock";
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0)
    throw_error(ErrorKind::kResources, path,
                ": cannot create: ", std::generic_category().message(errno));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int reason = errno;
  ::close(descriptor_);
  if (reason == EWOULDBLOCK)
    throw_error(ErrorKind::kResources, run_directory,
                ": another attune works in this directory; wait for it, or give another 'output'");
  throw_error(ErrorKind::kResources, path,
              ": cannot lock: ", std::generic_category().message(reason));
}

RunLock::~RunLock() { ::close(descriptor_); }

}  // namespace attune
