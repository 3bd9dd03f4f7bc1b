// LlamaIndex's EmbeddingQAFinetuneDataset: queries, passages and which passage answers which query.
// File: JSON object {"queries": {id: text}, "corpus": {id: text}, "relevant_docs": {id: [id]},
// "mode": "text"}; `mode` may be missing; .gz is read. Order is the file's and decides the order of
// training pairs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/hash.h"

namespace attune {

// An ordered map from id to text.
class TextTable {
 public:
  // False if the id is there already.
  bool add(std::string id, std::string text);
  std::int64_t size() const { return static_cast<std::int64_t>(ids_.size()); }
  const std::string& id(std::int64_t row) const { return ids_[row]; }
  const std::string& text(std::int64_t row) const { return texts_[row]; }
  std::int64_t find(const std::string& id) const;  // -1 if absent
  const std::vector<std::string>& texts() const { return texts_; }
  const std::vector<std::string>& ids() const { return ids_; }

 private:
  std::vector<std::string> ids_, texts_;
  std::unordered_map<std::string, std::int64_t> row_of_;
};

struct EmbeddingQAFinetuneDataset {
  TextTable queries;
  TextTable corpus;
  // relevant_docs[query row] = corpus rows, in the file's order; every query has an entry, maybe
  // empty.
  std::vector<std::vector<std::int64_t>> relevant_docs;

  // Refused with file and place: not JSON, wrong types, duplicate ids, invalid UTF-8, mode "image",
  // references to a query or passage that is not there. Unknown top-level keys are ignored
  // (LlamaIndex drops them too). Every mistake up to 20 is named at once.
  static EmbeddingQAFinetuneDataset from_json(const std::string& path);
  // Byte for byte as LlamaIndex writes it, through the durable layer.
  void save_json(const std::string& path) const;
  std::string to_json() const;
  Fingerprint fingerprint() const;
};

// One of several data sets of which training rows are.
struct RowSource {
  std::string name;                                       // for errors
  int columns = 0, labels_per_row = 0;                    // that its rows have
  std::span<const std::vector<std::int64_t>> relevant{};  // as TrainingRows::relevant
};

// Rows for training: texts of the columns query, positive, negative_1, ...; they stay the data
// set's, which outlives the rows. Rows of several data sets stand one set after the other
// (data/training_sets.h).
struct TrainingRows {
  // [columns][rows]; every column of equal length, empty where a row's data set has fewer
  std::vector<std::vector<std::string_view>> columns;
  std::vector<std::int64_t> query_id;  // [rows] the data set's row of the query
  // [columns - 1][rows] the data set's rows of the passages, -1 where there is none
  std::vector<std::vector<std::int64_t>> document_id;
  // [queries of the data set] the passages that answer each; the data set's own. Of several data
  // sets: relevant_of().
  std::span<const std::vector<std::int64_t>> relevant;
  // [rows * labels_per_row], row by row, 0 where a row's data set has fewer; what they say is the
  // loss's
  std::vector<float> labels;
  int labels_per_row = 0;
  std::vector<int> source;         // [rows] number of the data set, ascending; empty: all of one
  std::vector<RowSource> sources;  // [data sets], with `source`
  std::int64_t skipped_empty = 0;  // rows left out because a text was empty or white space
  std::int64_t skipped_unanswered = 0;         // queries without a relevant passage
  std::int64_t skipped_without_negatives = 0;  // queries whose list in the sidecar is empty
  std::int64_t num_rows() const {
    return columns.empty() ? 0 : static_cast<std::int64_t>(columns[0].size());
  }
  // What a row's data set has.
  int num_columns(std::int64_t row) const {
    return source.empty() ? static_cast<int>(columns.size()) : sources[source[row]].columns;
  }
  int num_labels(std::int64_t row) const {
    return source.empty() ? labels_per_row : sources[source[row]].labels_per_row;
  }
  std::span<const std::vector<std::int64_t>> relevant_of(std::int64_t row) const {
    return source.empty() ? relevant : sources[source[row]].relevant;
  }
  // Appends a row of this query and these passages. False, and nothing is added, if a text is
  // empty or white space.
  bool add(const EmbeddingQAFinetuneDataset& dataset, std::int64_t query,
           std::span<const std::int64_t> documents);
};

// One row per query with its first relevant passage, or one per relevant passage with use_all_docs
// (as LlamaIndex's engine). Hard negatives come from the sidecar DATASET.negatives.jsonl where it
// is given: one object a line, {"query_id": id, "negatives": [corpus id, ...]}; every query then
// needs the same number of them, or none, with which it makes no row (mining found too few).
TrainingRows make_training_rows(const EmbeddingQAFinetuneDataset& dataset, bool use_all_docs,
                                const std::string& negatives_path = "");
TrainingRows make_training_rows(EmbeddingQAFinetuneDataset&&, bool,
                                const std::string& = "") = delete;

}  // namespace attune
