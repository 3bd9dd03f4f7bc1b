// A folder of its own for one test, removed at the end. In memory where there is such a file
// system, so that the many fsyncs of the fault tests cost nothing.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>

#include <unistd.h>

namespace attune {

class Scratch {
 public:
  Scratch() {
    const std::string memory = "/dev/shm";
    std::string pattern = ::access(memory.c_str(), W_OK) == 0
                              ? memory
                              : std::filesystem::temp_directory_path().string();
    pattern += "/attune-test-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  // What stands in it, all the way down, relative to it.
  std::set<std::string> names() const {
    std::set<std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_))
      out.insert(std::filesystem::relative(entry.path(), path_).string());
    return out;
  }

 private:
  std::string path_;
};

// Root may do everything: as long as one of these lives, the process is somebody else.
class NotRoot {
 public:
  NotRoot() : was_root_(::geteuid() == 0 && ::seteuid(65534) == 0) {}
  ~NotRoot() {
    if (was_root_ && ::seteuid(0) != 0) std::abort();
  }
  NotRoot(const NotRoot&) = delete;
  NotRoot& operator=(const NotRoot&) = delete;

 private:
  bool was_root_;
};

}  // namespace attune
