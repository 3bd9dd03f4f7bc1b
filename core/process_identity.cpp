#include "core/process_identity.h"

#include <fstream>
#include <optional>
#include <sstream>

#include <unistd.h>

namespace attune {
namespace {

std::string first_word(const std::string& path) {
  std::ifstream in(path);
  std::string word;
  in >> word;
  return word;
}

std::string pid_namespace() {
  char name[64] = {};
  const ssize_t size = ::readlink("/proc/self/ns/pid", name, sizeof name - 1);
  return size > 0 ? std::string(name, static_cast<std::size_t>(size)) : "?";
}

// proc(5): field 22 of stat, in clock ticks since boot; the second field may hold spaces. A zombie
// (state Z) has ended.
std::optional<std::string> start_time(const std::string& pid) {
  std::ifstream in("/proc/" + pid + "/stat");
  std::string line;
  if (!std::getline(in, line)) return std::nullopt;
  const std::size_t end = line.rfind(')');
  if (end == std::string::npos) return std::nullopt;
  std::istringstream rest(line.substr(end + 1));
  std::string field;
  for (int number = 3; rest >> field; ++number) {
    if (number == 3 && (field == "Z" || field == "X")) return std::nullopt;
    if (number == 22) return field;
  }
  return std::nullopt;
}

std::string boot() { return first_word("/proc/sys/kernel/random/boot_id"); }

std::string identity_of(pid_t process) {
  const std::string pid = std::to_string(process);
  return boot() + " " + pid_namespace() + " " + pid + " " + start_time(pid).value_or("?");
}

}  // namespace

std::string this_process() { return identity_of(::getpid()); }
std::string parent_process() { return identity_of(::getppid()); }

Liveness liveness(const std::string& process) {
  std::istringstream in(process);
  std::string of_boot, of_namespace, pid, start;
  if (!(in >> of_boot >> of_namespace >> pid >> start)) return Liveness::kUnknown;
  if (of_boot != boot()) return Liveness::kGone;
  if (of_namespace != pid_namespace()) return Liveness::kUnknown;
  return start_time(pid) == start ? Liveness::kAlive : Liveness::kGone;
}

}  // namespace attune
