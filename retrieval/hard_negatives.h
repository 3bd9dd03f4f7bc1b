// Hard negatives: passages that rank high for a query without answering it. The sets are those of
// sentence_transformers.util.mine_hard_negatives 6.0.1 on the same settings (scripts/parity --only
// mining); the numbers of NV-Retriever (arXiv:2407.15831) speak for relative_margin 0.05, "TopK,
// 95 % of the positive's score", which is the default here; the peer has no margin unless told.
//
// For each query the passages are ranked, range_max plus as many as one query has positives at most
// deep. Those that answer the query are passed over and the guards drop what may answer it, too:
//   same document    a passage of the document that a positive is of, where documents are known
//   absolute_margin  score + margin > positive
//   relative_margin  score > positive - |positive| * margin
//   max_score, min_score
// `positive` is the lowest score among the query's positives. Of the first range_max that are left,
// the first range_min are passed over; the negatives are the best or a random choice of the others.
//
// Texts are compared folded: Unicode's compatibility case folding, one space for white space.
// Passages of equal text are one (the first stands for all), so no negative repeats a positive or
// another negative; queries of equal text share their positives. The peer does so with texts that
// are equal byte for byte. Blank passages are no negatives: training leaves such rows out.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <attune/base_embedding.h>

#include "core/config_reader.h"
#include "core/json.h"
#include "data/qa_dataset.h"

namespace attune {

struct MiningConfig {
  std::string source = "model";
  int num_negatives = 3;
  int range_min = 0;
  int range_max = 0;
  std::optional<double> max_score, min_score, absolute_margin, relative_margin = 0.05;
  std::string sampling_strategy = "top";
  std::uint64_t seed = 42;

  template <class Fields>
  void visit(Fields& f) {
    f.field("source", source,
            "who ranks the passages: model, bm25, or both, taken in turn from the one and the "
            "other; scores are the model's (cosine), with bm25 alone its own",
            one_of({"model", "bm25", "both"}));
    f.field("num_negatives", num_negatives, "negatives of a query", at_least(1));
    f.field("range_min", range_min, "best candidates passed over", at_least(0));
    f.field("range_max", range_max,
            "candidates looked at; 0: range_min, num_negatives (10 times as many with max_score "
            "or a margin) and the most positives that one query has",
            at_least(0));
    f.field("max_score", max_score, "a candidate with a higher score is none");
    f.field("min_score", min_score, "a candidate with a lower score is none");
    f.field("absolute_margin", absolute_margin,
            "a candidate's score is at least so far below the positive's");
    f.field("relative_margin", relative_margin,
            "the same as a share of the positive's score: 0.05 is 5 % below it");
    f.field("sampling_strategy", sampling_strategy, "the best candidates, or any of them",
            one_of({"top", "random"}));
    f.field("seed", seed, "of the random choice");
  }
};

struct MinedNegatives {
  // [queries of the data set] corpus rows, best first, at most num_negatives.
  std::vector<std::vector<std::int64_t>> rows;
  int num_negatives = 0, range_max = 0;  // as used
  std::int64_t complete = 0;             // queries with num_negatives
  std::int64_t incomplete = 0;           // with fewer
  std::int64_t unanswered = 0;           // without a relevant passage, or blank: not mined
  std::int64_t blank_passages = 0, repeated_passages = 0;  // left out of the ranking
  std::int64_t candidates = 0;  // ranked passages that do not answer their query, in all
  std::int64_t dropped_same_document = 0, dropped_absolute_margin = 0, dropped_relative_margin = 0,
               dropped_max_score = 0, dropped_min_score = 0;  // of these

  // The sidecar of data/qa_dataset.h, one line for each query with a relevant passage: with
  // num_negatives, or with none ("negatives": []), which leaves the query out of training, as the
  // peer's n-tuples do.
  void save_jsonl(const std::string& path, const EmbeddingQAFinetuneDataset& dataset) const;

  Json counts() const;          // under the names above
  std::string summary() const;  // the same for people
};

// `model` may be null with source bm25, which does not ask it. `document_of`: [corpus rows] equal
// numbers for passages of one document; empty: not known. The same for the same data, settings and
// vectors: equal scores rank by corpus row, and the random choice depends on seed and query row
// alone.
//
// Memory beside the data set: a vector for each passage (or the BM25 index), and the vectors and
// candidates of block_queries queries at a time.
//
// Error{kConfig}: settings that can give no negatives, a source without its model. Error{kData}:
// NaN from the model. A query that finds too few negatives is none: it is counted.
MinedNegatives mine_hard_negatives(const EmbeddingQAFinetuneDataset& dataset,
                                   const BaseEmbedding* model, const MiningConfig& config,
                                   std::span<const std::int64_t> document_of = {},
                                   std::int64_t block_queries = 4096);

}  // namespace attune
