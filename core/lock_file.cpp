#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/durable_operations.h"

namespace attune {

using durable::perform;
using durable::require;
using durable::throw_failure;

LockFile::LockFile(std::string path) : path_(std::move(path)) {
  durable::make_directories(durable::split(path_).folder);
  require(perform(DurableOperation::kCreate, path_,
                  [&] {
                    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
                    return descriptor_ >= 0;
                  }),
          path_, "open");
}

LockFile::~LockFile() { ::close(descriptor_); }

bool LockFile::lock(bool wait) {
  int result = 0;
  do result = ::flock(descriptor_, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
  while (result != 0 && errno == EINTR);
  if (result == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  throw_failure(path_, "lock", errno);
}

}  // namespace attune
