// Random choices of one generator for one passage: a pure function of the seed, the generator's
// name and the passage's id, so that a passage's questions do not depend on its neighbours.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/hash.h"

namespace attune {

// SplitMix64 (Steele, Lea and Flood 2014), begun at 64 bits of SHA-256(seed, generator, id).
class OfflineDraws {
 public:
  OfflineDraws(std::uint64_t seed, std::string_view generator, std::string_view passage_id)
      : state_(std::stoull(sha256(str_cat(seed, "\n", generator, "\n", passage_id)).substr(0, 16),
                           nullptr, 16)) {}
  // From 0 to below `bound` > 0. The remainder's bias is below bound / 2^64.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  bool chance(double probability) {
    return static_cast<double>(next() >> 11) * 0x1p-53 < probability;
  }

 private:
  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

}  // namespace attune
