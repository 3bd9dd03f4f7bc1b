// Texts that are nearly the same: the Jaccard similarity of their sets of shingles, runs of five
// words as they stand (words.h; a text of fewer words is one shingle), is at least a threshold.
// Candidates are found by MinHash in bands (Broder 1997, "On the resemblance and containment of
// documents"; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4), of which
// each is verified by its exact similarity: what is reported is true, and of the pairs just at the
// threshold at most one in 10,000 is expected to be missed, fewer above it. Deterministic. Keeps
// at most 2 KiB a text (at 0.9: about 1). Texts must be UTF-8; thresholds are in (0, 1].
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace attune {

double jaccard_similarity(std::string_view left, std::string_view right);

// For each text the first earlier text that is kept and nearly the same, or -1: then it is kept
// itself.
std::vector<std::int64_t> first_near_duplicate(std::span<const std::string_view> texts,
                                               double threshold, int threads = 0);

// For each text the first text of its group: any two that are nearly the same are in one group,
// also over others in between.
std::vector<std::int64_t> near_duplicate_groups(std::span<const std::string_view> texts,
                                                double threshold, int threads = 0);

}  // namespace attune
