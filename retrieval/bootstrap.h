// Is the finetuned model better? A paired bootstrap over queries.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attune {

struct PairedDifference {
  double difference = 0;     // mean(candidate) - mean(base)
  double low = 0, high = 0;  // percentile interval at `confidence`
  double confidence = 0.95;  // that all `comparisons` intervals hold their differences
  int comparisons = 1;
  bool better() const { return low > 0; }
  bool worse() const { return high < 0; }
};

// Resamples queries with replacement (both models together); percentile interval: of the sorted
// means the floor(resamples * (1 - confidence) / (2 * comparisons))-th from either end. The same
// numbers for a seed on every machine. Source: Efron & Tibshirani 1993, ch. 13; Sakai 2006 for its
// use in retrieval evaluation. Vectors of equal length, at least 1. About 25 ms for 1,000 queries.
//
// `comparisons`: how many candidates are compared with the base, of which the best will be taken.
// Each interval is then so wide that all hold together (Bonferroni: each is wrong with a chance of
// (1 - confidence) / comparisons at most, so any with 1 - confidence; Dunn 1961).
PairedDifference paired_bootstrap(const std::vector<double>& base,
                                  const std::vector<double>& candidate, int resamples = 10000,
                                  std::uint64_t seed = 42, double confidence = 0.95,
                                  int comparisons = 1);

// In points, hundredths of the metric's range: "better by 3.1 points (95 % interval 1.2 to 5.0)",
// "worse by 3.1 points (95 % interval 1.2 to 5.0)", or
// "not shown to be better (+0.4 points, 95 % interval -1.0 to 1.9)"; of several comparisons
// "95 % interval for all 3 candidates 1.2 to 5.0".
std::string verdict(const PairedDifference& difference);

}  // namespace attune
