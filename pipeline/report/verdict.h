// Is the finetuned model better, by how much, and is that sure? From the queries' results alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "retrieval/bootstrap.h"
#include "retrieval/query_results.h"

namespace attune {

struct MetricChange {
  std::string metric;
  double reference = 0, candidate = 0;  // means
  PairedDifference difference;
};

struct Verdict {
  enum class Kind : std::uint8_t {
    kBetter,      // the interval of the headline metric is above 0
    kWorse,       // it is below 0
    kUnclear,     // 0 is in it
    kUnmeasured,  // there is nothing to compare
  };
  Kind kind = Kind::kUnmeasured;
  std::string reference, candidate;   // systems
  MetricChange headline;              // NDCG at 10, or at the largest k
  std::vector<MetricChange> metrics;  // primary_metrics() of the table, recall at every k
  int candidates = 1;                 // for how many the intervals hold together
  std::int64_t queries = 0, improved = 0, worsened = 0;  // by the headline metric
  // Of kUnclear: about how many queries would show a difference as large as the one found; 0: none
  // was found.
  std::int64_t queries_needed = 0;
};

// The finetuned model against its base, or where that was not measured against BM25.
Verdict judge(const QueryResults& results);

// Any two columns of numbers for the same queries: metric tables of the same k. `comparisons`: as
// of paired_bootstrap().
MetricChange change_of(const MetricTable& reference, const MetricTable& candidate,
                       const std::string& metric, int comparisons = 1);

// "ndcg@10", or where 10 was not asked for NDCG at the largest k.
std::string headline_metric(const MetricTable& table);

}  // namespace attune
