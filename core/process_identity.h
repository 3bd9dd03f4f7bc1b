// Which process did something, so that another can say later whether it still runs: its number
// alone comes again.
#pragma once

#include <cstdint>
#include <string>

namespace attune {

// "BOOT PID-NAMESPACE PID START" of this process, from /proc.
std::string this_process();
// Of the process that started this one.
std::string parent_process();

enum class Liveness : std::uint8_t {
  kAlive,
  kGone,
  kUnknown  // of another PID namespace (a container) of this boot: cannot be seen from here
};
Liveness liveness(const std::string& process);

}  // namespace attune
