// What every system gave every query of an evaluation: the file that reports are made of
// (docs/formats.md, OUTPUT/evaluation.queries.jsonl). No torch here.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "core/hash.h"
#include "retrieval/metrics.h"

namespace attune {

struct FoundPassage {
  std::string id;
  float score = 0;
};

// Scores are cosines (of BM25 its own); NaN: not known.
struct QueryResult {
  std::vector<std::int64_t> ranks;  // of the relevant passages that were ranked; from 1, ascending
  std::vector<FoundPassage> found;  // the first of the ranking, at most kFoundPassages
  float positive = NAN;             // the most similar relevant passage, ranked or not
  float negative = NAN;             // the first passage of the ranking that is not relevant
  float random = NAN;               // a passage drawn from those that are not relevant
};
constexpr std::size_t kFoundPassages = 10;

struct QueryResults {
  std::string dataset;  // its file
  Fingerprint dataset_sha256;
  std::int64_t passages = 0;
  std::vector<int> k;
  std::vector<std::string> systems;          // "base", "finetuned", "bm25", ...
  int candidates = 1;                        // how many of them were compared with the first
  std::vector<std::string> query_ids;        // [queries]
  std::vector<std::int64_t> num_relevant;    // [queries] at least 1
  std::vector<std::vector<QueryResult>> of;  // [systems][queries]
  std::int64_t num_queries() const { return std::ssize(query_ids); }
  int find_system(const std::string& name) const;  // -1: none
  // As compute_metrics() of the rankings.
  MetricTable metrics(int system) const;
};

// One line that describes, then one a query. Through the durable layer.
void write_query_results(const std::string& path, const QueryResults& results);

// Error{kData} with the line: not JSON, keys missing or of other types, ranks that do not ascend or
// are more than there are relevant passages, a query twice, no query or no system at all.
QueryResults read_query_results(const std::string& path);

}  // namespace attune
