// Is the finetuned model better? A paired bootstrap over queries.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attune {

struct PairedDifference {
  double difference = 0;     // mean(candidate) - mean(base)
  double low = 0, high = 0;  // percentile interval at `confidence`
  double confidence = 0.95;
  bool better() const { return low > 0; }
  bool worse() const { return high < 0; }
};

// Resamples queries with replacement (both models together); percentile interval: of the sorted
// means the floor(resamples * (1 - confidence) / 2)-th from either end. The same numbers for a seed
// on every machine. Source: Efron & Tibshirani 1993, ch. 13; Sakai 2006 for its use in retrieval
// evaluation. Vectors of equal length, at least 1. About 25 ms for 1,000 queries.
PairedDifference paired_bootstrap(const std::vector<double>& base,
                                  const std::vector<double>& candidate, int resamples = 10000,
                                  std::uint64_t seed = 42, double confidence = 0.95);

// In points, hundredths of the metric's range: "better by 3.1 points (95 % interval 1.2 to 5.0)",
// "worse by 3.1 points (95 % interval 1.2 to 5.0)", or
// "not shown to be better (+0.4 points, 95 % interval -1.0 to 1.9)".
std::string verdict(const PairedDifference& difference);

}  // namespace attune
