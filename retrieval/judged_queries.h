// The frame of every evaluation: which queries count, and what becomes of the passages that a
// search found for them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/qa_dataset.h"
#include "retrieval/evaluation.h"
#include "retrieval/hit.h"

namespace attune {

// How many passages are ranked for a query: max(100, max k), as sentence-transformers does for
// MAP@100. Error{kConfig} for an empty `k` or a cut-off below 1.
int ranking_depth(const std::vector<int>& k);

// The queries with a relevant passage, their rankings still empty. Error{kData} if there is none.
Evaluation judged_queries(const EmbeddingQAFinetuneDataset& dataset, std::string model);

// Fills rankings, metrics and the scores that a search tells: hits[i] are those of
// evaluation.query_rows[i], best first.
void set_hits(Evaluation& evaluation, const std::vector<std::vector<Hit>>& hits,
              const std::vector<int>& k);

// Corpus rows by ascending id: the order of equal scores. Bytes of UTF-8 sort as code points, so as
// Python's strings.
std::vector<std::int64_t> rows_by_id(const TextTable& corpus);
// The place of each row in that order.
std::vector<std::int64_t> ranks_by_id(const TextTable& corpus);

bool is_relevant(const Ranking& ranking, std::int64_t row);

}  // namespace attune
