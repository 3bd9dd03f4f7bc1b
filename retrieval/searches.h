// A model searched with in other ways than by itself: beside BM25, behind it, and through an index.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <attune/base_embedding.h>

#include "data/qa_dataset.h"
#include "retrieval/evaluation.h"

namespace attune {

// The model's own exact ranking, and after it a row of each search, named "MODEL (SEARCH)":
//   hybrid             its ranking and BM25's, both max(100, max k) deep, by reciprocal rank fusion
//                      (retrieval/rank_fusion.h)
//   reranked           BM25's best max(100, max k), in the order of the model's cosines; what BM25
//                      does not find is not ranked
//   index              through a VectorStoreIndex of the passages, searched exactly
//   approximate_index  the same with a graph of neighbours
// The two of an index are compared with the model's own ranking: their difference is what the index
// loses. Every text is embedded once. `index_folder` is made, and removed again; whatever is in it
// is lost. Error{kConfig} for another search. Ties are in the order of ids, as everywhere.
std::vector<Evaluation> evaluate_searches(const std::shared_ptr<const BaseEmbedding>& model,
                                          const std::string& name,
                                          const EmbeddingQAFinetuneDataset& dataset,
                                          const std::vector<int>& k,
                                          std::span<const std::string> searches,
                                          const std::string& index_folder);

}  // namespace attune
