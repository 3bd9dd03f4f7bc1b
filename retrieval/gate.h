// "--fail-under ndcg@10=0.70": a limit that a model has to reach, for scripts that shall fail where
// it does not.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "retrieval/metrics.h"

namespace attune {

struct Gate {
  std::string metric;
  double least = 0;
};

// Error{kConfig}: not METRIC=VALUE, a value outside of 0 to 1, or a metric that is not measured
// with these cut-offs (with the nearest that is). To be asked before the work.
std::vector<Gate> parse_gates(const std::vector<std::string>& texts, const std::vector<int>& k);

// Error{kFailed} names every gate that `table` does not reach, and by how much. `model` is what the
// message calls it.
void check_gates(std::span<const Gate> gates, const MetricTable& table, const std::string& model);

}  // namespace attune
