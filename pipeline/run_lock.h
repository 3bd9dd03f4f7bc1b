// One process at a time works in a run directory: an advisory lock on DIR/.lock, released by the
// operating system however the process ends.
#pragma once

#include <string>

namespace attune {

class RunLock {
 public:
  // Makes the directory. Error{kResources}: it cannot be made, or another process holds the lock.
  explicit RunLock(const std::string& run_directory);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace attune
