// Embeds a data set's corpus and queries and ranks every query against the whole corpus.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <attune/base_embedding.h>

#include "data/qa_dataset.h"
#include "retrieval/metrics.h"
#include "retrieval/model_cost.h"

namespace attune {

// Similarities of one query; NaN: there is none.
struct QueryScores {
  std::vector<float> retrieved;  // of the ranking's rows, in their order
  float positive = NAN;          // the relevant passage that is most similar, retrieved or not
  float negative = NAN;          // the first that was retrieved and is not relevant
  float random = NAN;            // a passage drawn from those that are not relevant
};

// One ranked system on one data set.
struct Evaluation {
  std::string model;  // a name for people
  MetricTable metrics;
  std::vector<Ranking> rankings;         // [evaluated queries], at most max(100, max k) deep
  std::vector<std::int64_t> query_rows;  // which rows of dataset.queries were evaluated
  std::vector<QueryScores> scores;       // [evaluated queries]
  std::string against;       // the model that it is compared with; empty: the first of the table
  bool is_candidate = true;  // one of those of which the best will be taken; BM25 is none
  std::optional<ModelCost> cost;
};

// Cosine similarity, exact search. Order: score descending, then corpus id ascending as a string
// (as sentence-transformers 6.x). Queries without a relevant passage are left out and counted in
// the log; a data set without any query left is an Error{kData}, and so is a model that returns
// NaN. An empty `k`, or one below 1, is an Error{kConfig}. Empty texts are embedded as the peers
// do.
Evaluation evaluate(const BaseEmbedding& model, const EmbeddingQAFinetuneDataset& dataset,
                    const std::vector<int>& k);

// The same of Settings::embed_model(kEvaluator), attune/settings.h.
Evaluation evaluate(const EmbeddingQAFinetuneDataset& dataset, const std::vector<int>& k);

// The same with Bm25Index ("BM25"): passages that share no word with a query are not ranked, and of
// what was not retrieved there is no score.
Evaluation evaluate_bm25(const EmbeddingQAFinetuneDataset& dataset, const std::vector<int>& k);

}  // namespace attune
