// Work over [0, count) on threads of the torch-free rooms (tokenizing, reading). The caller's
// thread takes part; the first exception is rethrown. threads 0: as many as the machine has.
#pragma once

#include <cstdint>
#include <functional>

namespace attune {

void parallel_for(std::int64_t count, int threads, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body);

}  // namespace attune
