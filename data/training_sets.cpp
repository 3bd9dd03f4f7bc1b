#include "data/training_sets.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace attune {
namespace {

template <class T>
void append(std::vector<T>& all, const std::vector<T>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

TrainingSets::TrainingSets(TrainingData data) {
  sets_.push_back({"the training data", std::move(data)});
}

TrainingSets::TrainingSets(std::vector<TrainingSet> sets) : sets_(std::move(sets)) {
  ATTUNE_ASSERT(!sets_.empty());
}

TrainingSets TrainingSets::load(const std::vector<std::string>& paths) {
  std::vector<TrainingSet> sets;
  for (const std::string& path : paths) sets.push_back({path, TrainingData::load(path)});
  return TrainingSets(std::move(sets));
}

TrainingRows TrainingSets::rows(bool use_all_docs,
                                const std::vector<std::string>& negatives) const {
  if (!negatives.empty() && negatives.size() != sets_.size())
    throw_error(ErrorKind::kConfig, "train.negatives names ", negatives.size(), " files for ",
                sets_.size(), " data sets: give one for each, in their order, \"\" for none");
  std::vector<TrainingRows> parts;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < sets_.size(); ++i) {
    const bool all_docs = use_all_docs && (sets_.size() == 1 || !sets_[i].data.table);
    parts.push_back(sets_[i].data.rows(all_docs, negatives.empty() ? "" : negatives[i]));
    names.push_back(sets_[i].name);
  }
  if (parts.size() == 1) return std::move(parts[0]);
  return join_rows(parts, names);
}

const std::string& TrainingSets::query_id(const TrainingRows& rows, std::int64_t row) const {
  const TrainingSet& set = sets_[rows.source.empty() ? 0 : rows.source[row]];
  return set.data.dataset.queries.id(rows.query_id[row]);
}

Fingerprint TrainingSets::fingerprint() const {
  if (sets_.size() == 1) return sets_[0].data.fingerprint();
  Sha256 hash;
  for (const TrainingSet& set : sets_) hash.update(set.data.fingerprint());
  return hash.hex();
}

TrainingRows join_rows(const std::vector<TrainingRows>& parts,
                       const std::vector<std::string>& names) {
  ATTUNE_ASSERT(!parts.empty() && parts.size() == names.size());
  TrainingRows all;
  std::size_t columns = 0, documents = 0;
  for (const TrainingRows& part : parts) {
    columns = std::max(columns, part.columns.size());
    documents = std::max(documents, part.document_id.size());
    all.labels_per_row = std::max(all.labels_per_row, part.labels_per_row);
  }
  all.columns.resize(columns);
  all.document_id.resize(documents);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const TrainingRows& part = parts[i];
    if (part.num_rows() == 0)
      throw_error(ErrorKind::kData, names[i], ": no training rows: ", part.skipped_empty,
                  " have an empty text, ", part.skipped_unanswered,
                  " queries have no relevant passage; leave this data set out");
    const std::size_t count = all.source.size() + part.num_rows();
    for (std::size_t c = 0; c < columns; ++c) {
      if (c < part.columns.size()) append(all.columns[c], part.columns[c]);
      all.columns[c].resize(count);
    }
    for (std::size_t c = 0; c < documents; ++c) {
      if (c < part.document_id.size()) append(all.document_id[c], part.document_id[c]);
      all.document_id[c].resize(count, -1);
    }
    append(all.query_id, part.query_id);
    for (std::int64_t row = 0; row < part.num_rows(); ++row) {
      const auto first = part.labels.begin() + row * part.labels_per_row;
      all.labels.insert(all.labels.end(), first, first + part.labels_per_row);
      all.labels.resize(all.labels.size() + all.labels_per_row - part.labels_per_row);
    }
    all.source.resize(count, static_cast<int>(i));
    all.sources.push_back(
        {names[i], static_cast<int>(part.columns.size()), part.labels_per_row, part.relevant});
    all.skipped_empty += part.skipped_empty;
    all.skipped_unanswered += part.skipped_unanswered;
    all.skipped_without_negatives += part.skipped_without_negatives;
  }
  return all;
}

}  // namespace attune
