// One process at a time works in a run directory: an advisory lock on DIR/.lock, released by the
// operating system however the process ends. What a killed process left there is swept.
#pragma once

#include <string>

#include "core/durable.h"

namespace attune {

class RunLock {
 public:
  // Makes the directory. Error{kResources}: it cannot be made, or another process holds the lock.
  explicit RunLock(const std::string& run_directory);

 private:
  LockFile file_;
};

}  // namespace attune
