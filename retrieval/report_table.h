// Evaluations side by side: for a terminal, and as JSON for scripts.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/json.h"
#include "retrieval/bootstrap.h"
#include "retrieval/evaluation.h"

namespace attune {

// The metrics that a reader is shown, of those in the table: hit_rate at every k, then mrr, ndcg
// and recall at 10 (or, where 10 was not asked for, at the largest k).
std::vector<std::string> primary_metrics(const MetricTable& table);

struct Gain {
  PairedDifference difference;  // paired bootstrap over queries (retrieval/bootstrap.h)
  double p = 1;                 // paired randomisation test (retrieval/randomisation.h)
  double corrected_p = 1;       // Holm's, of all candidates in this metric; alone: p
};

// Of every system after the first its differences to the one that it is compared with, by primary
// metric but recall. Candidates (Evaluation::is_candidate) are corrected for how many they are: the
// intervals hold together, the p-values are also given corrected. The others are yardsticks, and
// stand for themselves. All systems must have ranked the same queries, at the same k.
using Gains = std::vector<std::map<std::string, Gain>>;  // [systems - 1]
Gains gains_of(std::span<const Evaluation> systems);
// How many candidates there are beside the first.
int num_candidates(std::span<const Evaluation> systems);

// Aligned plain text: a row for each system, a column for each primary metric, four digits; where
// costs were measured a table of them; then for every gain a line of verdict with its p. Ends with
// a newline.
std::string report_table(std::span<const Evaluation> systems, const Gains& gains);

// {"model": ..., "queries": N, "hit_rate@1": ..., ...}: every metric of the table, in its order;
// and `cost` where it was measured: the members of ModelCost.
Json evaluation_json(const Evaluation& evaluation);

// {"dataset": ..., "models": [...]}: what `attune evaluate --json` prints. Every model after the
// first has `against` (the name of the one it is compared with), `comparisons` (how many candidates
// the interval is for), `gain`: {metric: [difference, low, high]} of the same interval as the
// verdicts', and `p` and `corrected_p`: {metric: p}.
Json report_json(const std::string& dataset, std::span<const Evaluation> systems,
                 const Gains& gains);

}  // namespace attune
