// Embeds a data set's corpus and queries and ranks every query against the whole corpus.
#pragma once

#include <string>
#include <vector>

#include <attune/base_embedding.h>

#include "data/qa_dataset.h"
#include "retrieval/metrics.h"

namespace attune {

// One ranked system on one data set.
struct Evaluation {
  std::string model;              // a name for people
  MetricTable metrics;
  std::vector<Ranking> rankings;  // [evaluated queries], at most max(100, max k) deep
  std::vector<std::int64_t> query_rows;  // which rows of dataset.queries were evaluated
};

// Cosine similarity, exact search. Order: score descending, then corpus id ascending as a string (as
// sentence-transformers 6.x). Queries without a relevant passage are left out; a data set without any
// query left is an Error{kData}. Empty texts are embedded as the peers do.
Evaluation evaluate(const BaseEmbedding& model, const EmbeddingQAFinetuneDataset& dataset,
                    const std::vector<int>& k);

Evaluation evaluate_bm25(const EmbeddingQAFinetuneDataset& dataset, const std::vector<int>& k);

}  // namespace attune
