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

// Of every system after the first its differences to the first, by primary metric but recall
// (paired bootstrap over queries, retrieval/bootstrap.h). All systems must have ranked the same
// queries, at the same k.
using Gains = std::vector<std::map<std::string, PairedDifference>>;  // [systems - 1]
Gains gains_of(std::span<const Evaluation> systems);

// Aligned plain text: a row for each system, a column for each primary metric, four digits; then
// for every gain a line of verdict. Ends with a newline.
std::string report_table(std::span<const Evaluation> systems, const Gains& gains);

// {"model": ..., "queries": N, "hit_rate@1": ..., ...}: every metric of the table, in its order.
Json evaluation_json(const Evaluation& evaluation);

// {"dataset": ..., "models": [...]}: what `attune evaluate --json` prints. Every model after the
// first has `against` (the first's name) and `gain`: {metric: [difference, low, high]}, the 95 %
// interval of the same bootstrap as the verdicts'.
Json report_json(const std::string& dataset, std::span<const Evaluation> systems,
                 const Gains& gains);

}  // namespace attune
