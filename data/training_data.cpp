#include "data/training_data.h"

#include <algorithm>
#include <unordered_map>

#include "core/error.h"
#include "data/mistakes.h"
#include "data/row_reader.h"

namespace attune {
namespace {

constexpr const char* kAdvice =
    R"(expected rows with the same columns in each, as {"query": text, "positive": text, ..., )"
    R"("score": number} in a .jsonl; the label's column may be label, labels, score or scores, or )"
    "missing";

// Each different text once, under its row's number.
class DistinctTexts {
 public:
  explicit DistinctTexts(TextTable& table) : table_(table) {}
  std::int64_t add(const std::string& text) {
    const auto [place, is_new] = row_of_.try_emplace(text, table_.size());
    if (is_new) table_.add(std::to_string(place->second), text);
    return place->second;
  }

 private:
  TextTable& table_;
  std::unordered_map<std::string, std::int64_t> row_of_;
};

// The rows of a table, made a data set's.
class TableBuilder {
 public:
  explicit TableBuilder(TrainingData& data)
      : data_(data), queries_(data.dataset.queries), corpus_(data.dataset.corpus) {
    data_.table.emplace();
  }

  void add(const Row& row) {
    RowTable& table = *data_.table;
    const std::int64_t query = queries_.add(row.texts[0]);
    auto& relevant = data_.dataset.relevant_docs;
    relevant.resize(data_.dataset.queries.size());
    table.query_id.push_back(query);
    table.document_id.resize(row.texts.size() - 1);
    for (std::size_t c = 1; c < row.texts.size(); ++c)
      table.document_id[c - 1].push_back(corpus_.add(row.texts[c]));
    if (row.label.is_number()) table.labels.push_back(row.label.get<float>());
    if (row.label.is_array())
      for (const Json& number : row.label) table.labels.push_back(number.get<float>());
    table.labels_per_row = static_cast<int>(table.labels.size() / table.query_id.size());
    const std::int64_t positive = table.document_id[0].back();
    if (row.label.is_null() && std::find(relevant[query].begin(), relevant[query].end(),
                                         positive) == relevant[query].end())
      relevant[query].push_back(positive);
  }

 private:
  TrainingData& data_;
  DistinctTexts queries_, corpus_;
};

TrainingData load_table(const std::string& path) {
  TrainingData data{EmbeddingQAFinetuneDataset()};
  TableBuilder builder(data);
  Mistakes mistakes(path);
  RowReader reader(path);
  Row row;
  for (auto state = reader.next(row); state != RowReader::State::kEnd; state = reader.next(row)) {
    if (state == RowReader::State::kRow)
      builder.add(row);
    else
      mistakes.add(reader.refusal());
  }
  mistakes.throw_if_any(kAdvice);
  return data;
}

}  // namespace

TrainingData TrainingData::load(const std::string& path) {
  if (is_table(dataset_format(path))) return load_table(path);
  return load_qa_dataset(path);
}

TrainingRows TrainingData::rows(bool use_all_docs, const std::string& negatives_path) const {
  if (!table) return make_training_rows(dataset, use_all_docs, negatives_path);
  if (use_all_docs || !negatives_path.empty())
    throw_error(ErrorKind::kConfig,
                "train.use_all_docs and train.negatives are of question-passage data sets: a table "
                "of rows (.jsonl, .csv, .tsv) holds its columns itself");
  TrainingRows rows;
  rows.relevant = dataset.relevant_docs;
  rows.labels_per_row = table->labels_per_row;
  std::vector<std::int64_t> documents(table->document_id.size());
  for (std::size_t row = 0; row < table->query_id.size(); ++row) {
    for (std::size_t c = 0; c < documents.size(); ++c) documents[c] = table->document_id[c][row];
    if (!rows.add(dataset, table->query_id[row], documents)) {
      ++rows.skipped_empty;
      continue;
    }
    const auto first =
        table->labels.begin() + static_cast<std::ptrdiff_t>(row) * rows.labels_per_row;
    rows.labels.insert(rows.labels.end(), first, first + rows.labels_per_row);
  }
  return rows;
}

Fingerprint TrainingData::fingerprint() const {
  if (!table) return dataset.fingerprint();
  Sha256 hash;
  hash.update(dataset.fingerprint());
  const auto add = [&]<class T>(const std::vector<T>& values) {
    hash.update(std::as_bytes(std::span(values)));
  };
  add(table->query_id);
  for (const auto& column : table->document_id) add(column);
  add(table->labels);
  return hash.hex();
}

}  // namespace attune
