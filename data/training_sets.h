// The data sets to train on together. Each has its own columns; a batch holds rows of one of them
// (data/samplers.h).
#pragma once

#include <string>
#include <vector>

#include "data/training_data.h"

namespace attune {

struct TrainingSet {
  std::string name;  // for errors: its file
  TrainingData data;
};

class TrainingSets {
 public:
  TrainingSets(TrainingData data);  // one alone
  TrainingSets(EmbeddingQAFinetuneDataset dataset)
      : TrainingSets(TrainingData(std::move(dataset))) {}
  explicit TrainingSets(std::vector<TrainingSet> sets);
  static TrainingSets load(const std::vector<std::string>& paths);

  const std::vector<TrainingSet>& sets() const { return sets_; }

  // Rows of one set after the other; numbers of queries and documents are each set's own.
  // `negatives`: none, or one file for each set, "" for none; with several sets `use_all_docs` is
  // of those that are no tables. The result refers to this object. Error{kConfig}: another number
  // of files. Error{kData}: one of several sets has no row, beginning with its name.
  TrainingRows rows(bool use_all_docs, const std::vector<std::string>& negatives) const;

  // Of a row that rows() gave, as its data set names it.
  const std::string& query_id(const TrainingRows& rows, std::int64_t row) const;

  Fingerprint fingerprint() const;  // of all, in their order

 private:
  std::vector<TrainingSet> sets_;
};

// The rows of each data set, named in `sources`, one after the other.
TrainingRows join_rows(const std::vector<TrainingRows>& parts,
                       const std::vector<std::string>& names);

}  // namespace attune
