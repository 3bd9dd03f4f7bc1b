#include "retrieval/rank_fusion.h"

#include <algorithm>
#include <unordered_map>

#include "core/error.h"

namespace attune {

std::vector<Hit> fuse_ranks(std::span<const std::vector<Hit>> lists, int depth,
                            std::span<const std::int64_t> tie_rank, int k) {
  ATTUNE_ASSERT(depth >= 1 && k >= 0);
  std::unordered_map<std::int64_t, double> score_of;
  for (const std::vector<Hit>& list : lists)
    for (std::size_t i = 0; i < list.size(); ++i)
      score_of[list[i].row] += 1.0 / (k + static_cast<double>(i) + 1);
  std::vector<std::pair<std::int64_t, double>> fused(score_of.begin(), score_of.end());
  std::sort(fused.begin(), fused.end(), [&](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : tie_rank[a.first] < tie_rank[b.first];
  });
  fused.resize(std::min(fused.size(), static_cast<std::size_t>(depth)));
  std::vector<Hit> hits;
  for (const auto& [row, score] : fused) hits.push_back({row, static_cast<float>(score)});
  return hits;
}

}  // namespace attune
