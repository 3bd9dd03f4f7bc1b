// The counter dropout's mask on a vector of neighbouring columns.
#pragma once

#include "kernels/counter_dropout.h"
#include "kernels/cpu/vector.h"

namespace attune::ATTUNE_ISA {

inline __attribute__((always_inline)) Vec dropped(Vec x, std::uint32_t key, int column,
                                                  const Dropout& dropout) {
  const VecUint hash = hash32(lane_numbers() + (key + static_cast<std::uint32_t>(column)));
  return hash >= dropout.threshold ? x * dropout.scale : Vec{};
}

// One column, inside a loop that is vectorised.
inline __attribute__((always_inline)) float dropped(float x, std::uint32_t key,
                                                    std::uint32_t column, const Dropout& dropout) {
  return hash32(key + column) >= dropout.threshold ? x * dropout.scale : 0.f;
}

}  // namespace attune::ATTUNE_ISA
