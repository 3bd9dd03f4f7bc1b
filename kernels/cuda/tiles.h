// How blocks lie over the columns of a matrix when each thread takes one pack of them.
#pragma once

#include <cstdint>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/reduce.h"

namespace attune::ATTUNE_CUDA_NAMESPACE {

struct Tiles {
  unsigned count, threads;  // side by side; threads of each, whole warps
};

// As few blocks of at most 128 threads as hold `columns`, with as few threads that have nothing.
inline Tiles tiles_of(std::int64_t columns, int pack) {
  constexpr std::int64_t kMostThreads = 128;
  const std::int64_t packs = divide_up<std::int64_t>(columns, pack);
  const std::int64_t count = divide_up(packs, kMostThreads);
  const std::int64_t warps = divide_up<std::int64_t>(divide_up(packs, count), kWarp);
  return {static_cast<unsigned>(count), static_cast<unsigned>(warps * kWarp)};
}

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
