// What is available, from files as the kernel writes them.
#include "core/memory.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/core/scratch.h"

namespace attune {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

class Memory : public ::testing::Test {
 protected:
  Memory() {
    write(
        "/proc/meminfo",
        "MemTotal:       24000000 kB\nMemFree:          100000 kB\nMemAvailable:    2048000 kB\n");
    write("/proc/self/status", "VmPeak:   900 kB\nVmSize:   800 kB\n");
  }
  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path place = root_ + path;
    std::filesystem::create_directories(place.parent_path());
    std::ofstream(place) << text;
  }
  Scratch folder_;
  std::string root_ = folder_.path();
};

TEST_F(Memory, WhatTheKernelSaysWhereNothingElseBounds) {
  EXPECT_EQ(available_memory(root_), 2000 * kMiB);
}

TEST_F(Memory, TheTightestControlGroupCounts) {
  write("/proc/self/cgroup", "0::/outer/inner\n");
  const std::string mount = "/sys/fs/cgroup";
  write(mount + "/outer/inner/memory.max", "max\n");
  write(mount + "/outer/inner/memory.current", "10485760\n");
  EXPECT_EQ(available_memory(root_), 2000 * kMiB);
  write(mount + "/outer/memory.max", "104857600\n");
  write(mount + "/outer/memory.current", "83886080\n");
  EXPECT_EQ(available_memory(root_), 20 * kMiB);
  write(mount + "/outer/memory.stat", "active_file 1\ninactive_file 31457280\n");
  EXPECT_EQ(available_memory(root_), 50 * kMiB) << "page cache is given back";
  write(mount + "/outer/memory.max", "1048576\n");
  write(mount + "/outer/memory.stat", "inactive_file 0\n");
  EXPECT_EQ(available_memory(root_), 0) << "over its limit, not below nothing";
}

// In a container the group's own folder is the mount, under whatever name /proc gives it.
TEST_F(Memory, AGroupThatIsSeenAsTheRoot) {
  write("/proc/self/cgroup", "0::/../../somewhere\n");
  write("/sys/fs/cgroup/memory.max", "52428800\n");
  write("/sys/fs/cgroup/memory.current", "20971520\n");
  EXPECT_EQ(available_memory(root_), 30 * kMiB);
}

TEST_F(Memory, TheFirstVersionOfControlGroups) {
  write("/proc/self/cgroup", "9:cpu,cpuacct:/x\n4:memory:/docker/abc\n");
  const std::string mount = "/sys/fs/cgroup/memory/docker/abc/";
  write(mount + "memory.limit_in_bytes", "104857600\n");
  write(mount + "memory.usage_in_bytes", "94371840\n");
  write(mount + "memory.stat", "inactive_file 1\ntotal_inactive_file 5242880\n");
  EXPECT_EQ(available_memory(root_), 15 * kMiB);
  write(mount + "memory.limit_in_bytes", "9223372036854771712\n");  // none
  EXPECT_EQ(available_memory(root_), 2000 * kMiB);
}

TEST_F(Memory, NothingToReadSetsNoBound) {
  EXPECT_EQ(available_memory(root_ + "/empty"), std::int64_t{1} << 62);
}

TEST(MemoryOfThisProcess, IsResidentAndHasAPeak) {
  EXPECT_GT(resident_memory(), kMiB);
  EXPECT_GE(peak_resident_memory(), resident_memory());
}

TEST(MemoryText, HasAUnit) {
  EXPECT_EQ(memory_text(3 * kMiB), "3 MiB");
  EXPECT_EQ(memory_text(1536 * kMiB), "1.5 GiB");
}

}  // namespace
}  // namespace attune
