#include "data/training_data.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "data/mistakes.h"

namespace attune {
namespace {

constexpr const char* kAdvice =
    R"(expected one object a line with the same keys in each: {"query": text, "positive": text, )"
    R"(..., "score": number}; the label's key may be label, labels, score or scores, or missing)";

bool is_label(const std::string& key) {
  return key == "label" || key == "labels" || key == "score" || key == "scores";
}

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

// Appends the numbers of a label; false where it is none.
bool read_labels(const Json& value, std::vector<float>& labels) {
  const auto add = [&](const Json& number) {
    if (!number.is_number()) return false;
    labels.push_back(number.get<float>());
    return std::isfinite(labels.back());
  };
  if (!value.is_array()) return add(value);
  return !value.empty() && std::all_of(value.begin(), value.end(), add);
}

class TableReader {
 public:
  TableReader(TrainingData& data, const std::string& path)
      : data_(data), queries_(data.dataset.queries), corpus_(data.dataset.corpus), mistakes_(path) {
    data_.table.emplace();
  }

  void read_line(const Json& line, const std::string& place) {
    if (!line.is_object()) return mistakes_.add(place, ": a JSON ", line.type_name());
    std::vector<std::string> keys;
    for (const auto& [key, value] : line.items()) keys.push_back(key);
    if (keys_.empty()) keys_ = keys;
    if (keys != keys_)
      return mistakes_.add(place, ": other keys, or in another order, than before");
    std::vector<const std::string*> texts;
    std::vector<float> labels;
    for (const auto& [key, value] : line.items()) {
      if (is_label(key)) {
        if (!labels.empty()) return mistakes_.add(place, ": a second label, '", key, "'");
        if (!read_labels(value, labels))
          return mistakes_.add(place, ": '", key, "' is no finite number, nor a list of such");
      } else if (value.is_string()) {
        texts.push_back(&value.get_ref<const std::string&>());
      } else {
        return mistakes_.add(place, ": '", key, "' is a JSON ", value.type_name(),
                             ", expected a string");
      }
    }
    if (texts.size() < 2) return mistakes_.add(place, ": a row needs at least two texts");
    add_row(texts, labels, place);
  }

  void finish() const { mistakes_.throw_if_any(kAdvice); }

 private:
  void add_row(const std::vector<const std::string*>& texts, const std::vector<float>& labels,
               const std::string& place) {
    RowTable& table = *data_.table;
    if (table.query_id.empty()) table.labels_per_row = static_cast<int>(labels.size());
    if (std::ssize(labels) != table.labels_per_row)
      return mistakes_.add(place, ": ", labels.size(), " labels, the lines before have ",
                           table.labels_per_row);
    const std::int64_t query = queries_.add(*texts[0]);
    auto& relevant = data_.dataset.relevant_docs;
    relevant.resize(data_.dataset.queries.size());
    table.query_id.push_back(query);
    table.document_id.resize(texts.size() - 1);
    for (std::size_t c = 1; c < texts.size(); ++c)
      table.document_id[c - 1].push_back(corpus_.add(*texts[c]));
    table.labels.insert(table.labels.end(), labels.begin(), labels.end());
    const std::int64_t positive = table.document_id[0].back();
    if (labels.empty() && std::find(relevant[query].begin(), relevant[query].end(), positive) ==
                              relevant[query].end())
      relevant[query].push_back(positive);
  }

  TrainingData& data_;
  DistinctTexts queries_, corpus_;
  std::vector<std::string> keys_;  // of the first line
  Mistakes mistakes_;
};

TrainingData load_table(const std::string& path) {
  TrainingData data{EmbeddingQAFinetuneDataset()};
  TableReader reader(data, path);
  const std::string bytes = read_text_file(path);
  std::int64_t number = 0;
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    const std::string_view line(bytes.data() + begin, end - begin);
    begin = end + 1;
    const std::string place = str_cat("line ", ++number);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos)
      reader.read_line(parse_json(line, str_cat(path, ", ", place)), place);
  }
  reader.finish();
  return data;
}

}  // namespace

TrainingData TrainingData::load(const std::string& path) {
  if (path.ends_with(".jsonl") || path.ends_with(".jsonl.gz")) return load_table(path);
  return EmbeddingQAFinetuneDataset::from_json(path);
}

TrainingRows TrainingData::rows(bool use_all_docs, const std::string& negatives_path) const {
  if (!table) return make_training_rows(dataset, use_all_docs, negatives_path);
  if (use_all_docs || !negatives_path.empty())
    throw_error(ErrorKind::kConfig,
                "train.use_all_docs and train.negatives are of question-passage data sets: a table "
                "of rows (.jsonl) holds its columns itself");
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
