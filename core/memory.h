// The machine's memory as this process sees it.
#pragma once

#include <cstdint>
#include <string>

namespace attune {

// Bytes that this process can still take without being killed or refused: the least of
//   /proc/meminfo's MemAvailable
//   limit - usage + inactive page cache of its control group and every one above it (v2 and v1)
//   RLIMIT_AS (ulimit -v) - what is mapped
// What cannot be read sets no bound; 2^62 where nothing can. `root` stands before the paths, for
// tests.
std::int64_t available_memory(const std::string& root = "");

// Of this process now, and at its highest since exec (VmRSS, VmHWM; getrusage's maximum includes
// the program that started this one); 0 where it cannot be read.
std::int64_t resident_memory();
std::int64_t peak_resident_memory();

// "3.2 GiB", "412 MiB": for messages.
std::string memory_text(std::int64_t bytes);

}  // namespace attune
