#include "core/memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

namespace attune {
namespace {

namespace fs = std::filesystem;
constexpr std::int64_t kUnbounded = std::int64_t{1} << 62;

// The number behind `key` in lines of "KEY 123" or "KEY: 123 kB".
std::optional<std::int64_t> number_after(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t digit = line.find_first_of("0123456789", key.size());
    if (digit == std::string::npos) continue;
    const std::int64_t value = std::strtoll(line.c_str() + digit, nullptr, 10);
    return line.ends_with("kB") ? value * 1024 : value;
  }
  return std::nullopt;
}

// A file of one number; none for "max".
std::optional<std::int64_t> number_in(const std::string& path) { return number_after(path, ""); }

struct GroupFiles {
  const char *mount, *limit, *usage, *cache;
};
constexpr GroupFiles kVersion2 = {"/sys/fs/cgroup", "memory.max", "memory.current",
                                  "inactive_file"};
constexpr GroupFiles kVersion1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                  "memory.usage_in_bytes", "total_inactive_file"};

// What is left of the limits of `group` and those above it. A container may see its own group as
// the root, under whatever name /proc gives it, so folders that are not there are passed over.
std::int64_t left_in_group(const std::string& root, const GroupFiles& files, fs::path group) {
  std::int64_t left = kUnbounded;
  for (group = group.relative_path();; group = group.parent_path()) {
    const std::string folder = (fs::path(root + files.mount) / group).string() + "/";
    const auto limit = number_in(folder + files.limit), usage = number_in(folder + files.usage);
    if (limit && usage) {
      const std::int64_t cache = number_after(folder + "memory.stat", files.cache).value_or(0);
      left = std::min(left, std::max<std::int64_t>(0, *limit - *usage + cache));
    }
    if (group.empty()) return left;
  }
}

std::int64_t left_in_groups(const std::string& root) {
  std::int64_t left = kUnbounded;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/path", "9:cpu,memory:/path"
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    if (controllers == ",,") left = std::min(left, left_in_group(root, kVersion2, path));
    if (controllers.find(",memory,") != std::string::npos)
      left = std::min(left, left_in_group(root, kVersion1, path));
  }
  return left;
}

std::int64_t left_of_address_space(const std::string& root) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnbounded;
  const auto mapped = number_after(root + "/proc/self/status", "VmSize:");
  return std::max<std::int64_t>(0, static_cast<std::int64_t>(limit.rlim_cur) - mapped.value_or(0));
}

}  // namespace

std::int64_t available_memory(const std::string& root) {
  return std::min({number_after(root + "/proc/meminfo", "MemAvailable:").value_or(kUnbounded),
                   left_in_groups(root), left_of_address_space(root)});
}

std::int64_t resident_memory() { return number_after("/proc/self/status", "VmRSS:").value_or(0); }

std::int64_t peak_resident_memory() {
  return number_after("/proc/self/status", "VmHWM:").value_or(0);
}

std::string memory_text(std::int64_t bytes) {
  const double mib = static_cast<double>(bytes) / (1 << 20);
  char text[32];
  if (mib < 1024)
    std::snprintf(text, sizeof text, "%.0f MiB", mib);
  else
    std::snprintf(text, sizeof text, "%.1f GiB", mib / 1024);
  return text;
}

}  // namespace attune
