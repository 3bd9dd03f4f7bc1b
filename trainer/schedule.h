// The learning rate's course, as transformers' schedulers.
#pragma once

#include <cstdint>
#include <string>

namespace attune {

struct Schedule {
  std::string kind = "linear";  // linear, cosine, constant
  std::int64_t warmup_steps = 0, total_steps = 1;

  // Factor on the learning rate in step t (0-based): t / max(1, W) for t < W, then
  //   linear    max(0, (T - t) / max(1, T - W))
  //   cosine    max(0, (1 + cos(pi (t - W) / max(1, T - W))) / 2)
  //   constant  1
  // The first step of a warmed-up run therefore has rate 0, as with the peers.
  double factor(std::int64_t step) const;
};

}  // namespace attune
