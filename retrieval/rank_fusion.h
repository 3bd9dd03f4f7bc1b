// One ranking from several, by ranks alone: scores of different scales need no calibration.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "retrieval/hit.h"

namespace attune {

// Reciprocal rank fusion (Cormack, Clarke & Buettcher 2009): a passage's score is the sum over the
// lists that hold it of 1 / (k + its rank, from 1); k 60 as there. The best `depth`, score
// descending, equal scores by ascending tie_rank[row]. No list holds a row twice.
std::vector<Hit> fuse_ranks(std::span<const std::vector<Hit>> lists, int depth,
                            std::span<const std::int64_t> tie_rank, int k = 60);

}  // namespace attune
