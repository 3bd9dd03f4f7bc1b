// What is trained on: a question-passage data set, of which rows are made, or a table of rows
// (data/dataset_formats.h; data/row_reader.h says what a table holds).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/qa_dataset.h"

namespace attune {

// Rows as a file gave them; texts are rows of a data set.
struct RowTable {
  std::vector<std::int64_t> query_id;                  // [rows]
  std::vector<std::vector<std::int64_t>> document_id;  // [columns - 1][rows]
  std::vector<float> labels;                           // [rows * labels_per_row]
  int labels_per_row = 0;
};

struct TrainingData {
  TrainingData(EmbeddingQAFinetuneDataset set) : dataset(std::move(set)) {}

  // By the file's name. Error{kData} names every mistake up to 20 with its line.
  static TrainingData load(const std::string& path);

  // Of a data set: make_training_rows(). Of a table all its rows; then `use_all_docs` and negatives
  // are refused. The result refers to this object.
  TrainingRows rows(bool use_all_docs, const std::string& negatives_path) const;
  Fingerprint fingerprint() const;

  // Of a table: column 0's different texts are the queries, all others' the corpus; without labels
  // column 1 answers column 0.
  EmbeddingQAFinetuneDataset dataset;
  std::optional<RowTable> table;
};

}  // namespace attune
