#include "data/qa_dataset.h"

#include <algorithm>
#include <optional>

#include "core/durable.h"
#include "core/error.h"
#include "core/json.h"
#include "data/lines.h"
#include "data/mistakes.h"

namespace attune {
namespace {

constexpr const char* kDatasetAdvice = R"(expected {"queries": {id: text}, "corpus": {id: text}, )"
                                       R"("relevant_docs": {query id: [passage id]}})";
constexpr const char* kNegativesAdvice =
    R"(expected one object a line: {"query_id": id, "negatives": [passage id, ...]})";

Json* find_object(Json& root, const char* key, Mistakes& mistakes) {
  const auto found = root.find(key);
  if (found == root.end()) {
    mistakes.add("the key '", key, "' is missing");
  } else if (!found->is_object()) {
    mistakes.add("'", key, "' is a JSON ", found->type_name(), ", expected an object");
  } else {
    return &*found;
  }
  return nullptr;
}

// Moves the texts out of `root`: two copies of a big corpus would be one too many.
void read_table(Json& root, const char* key, TextTable& table, Mistakes& mistakes) {
  Json* object = find_object(root, key, mistakes);
  if (object == nullptr) return;
  for (auto& [id, text] : object->items()) {
    if (!text.is_string())
      mistakes.add(key, ": '", id, "' is a JSON ", text.type_name(), ", expected a string");
    else if (!table.add(id, std::move(text.get_ref<std::string&>())))
      mistakes.add(key, ": the id '", id, "' stands there twice");
  }
  object->clear();
}

// Corpus rows of a JSON array of passage ids; what is wrong is added to `mistakes` after `place`.
std::vector<std::int64_t> read_passage_ids(const Json& ids, const TextTable& corpus,
                                           const std::string& place, Mistakes& mistakes) {
  std::vector<std::int64_t> rows;
  if (!ids.is_array()) {
    mistakes.add(place, ": a JSON ", ids.type_name(), ", expected an array of passage ids");
    return rows;
  }
  for (const Json& id : ids) {
    if (!id.is_string()) {
      mistakes.add(place, ": a JSON ", id.type_name(), " in the array, expected a passage id");
      continue;
    }
    const std::int64_t row = corpus.find(id.get_ref<const std::string&>());
    if (row < 0)
      mistakes.add(place, ": no passage '", id.get_ref<const std::string&>(), "' in 'corpus'");
    else
      rows.push_back(row);
  }
  std::vector<std::int64_t> sorted = rows;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end())
    mistakes.add(place, ": the passage '", corpus.id(*twice), "' stands there twice");
  return rows;
}

// [query row] -> corpus rows of its hard negatives. `used`: queries that make training rows.
std::vector<std::vector<std::int64_t>> read_negatives(const EmbeddingQAFinetuneDataset& dataset,
                                                      const std::vector<bool>& used,
                                                      const std::string& path) {
  Mistakes mistakes(path);
  std::vector<std::optional<std::vector<std::int64_t>>> negatives(dataset.queries.size());
  LineReader lines(path);
  std::string_view line;
  while (lines.next(line)) {
    const std::string place = str_cat("line ", lines.line_number());
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const Json entry = parse_json(line, str_cat(path, ", ", place));
    if (!entry.is_object() || !entry.contains("query_id") || !entry["query_id"].is_string() ||
        !entry.contains("negatives")) {
      mistakes.add(place, ": no object with 'query_id' and 'negatives'");
      continue;
    }
    const std::string& id = entry["query_id"].get_ref<const std::string&>();
    const std::int64_t query = dataset.queries.find(id);
    if (query < 0) {
      mistakes.add(place, ": no query '", id, "' in the data set");
      continue;
    }
    if (negatives[query]) mistakes.add(place, ": the query '", id, "' stands there twice");
    negatives[query] = read_passage_ids(entry["negatives"], dataset.corpus, place, mistakes);
    const std::vector<std::int64_t>& relevant = dataset.relevant_docs[query];
    for (const std::int64_t row : *negatives[query])
      if (std::find(relevant.begin(), relevant.end(), row) != relevant.end())
        mistakes.add(place, ": '", dataset.corpus.id(row), "' is a relevant passage of '", id,
                     "', it cannot be a negative");
  }
  mistakes.throw_if_any(kNegativesAdvice);

  std::vector<std::vector<std::int64_t>> result(dataset.queries.size());
  std::int64_t first_used = -1;
  for (std::int64_t query = 0; query < dataset.queries.size(); ++query) {
    if (!used[query]) continue;
    if (!negatives[query]) {
      mistakes.add("no line for the query '", dataset.queries.id(query), "'");
      continue;
    }
    result[query] = std::move(*negatives[query]);
    if (result[query].empty()) continue;
    if (first_used < 0) first_used = query;
    if (result[query].size() != result[first_used].size())
      mistakes.add("the query '", dataset.queries.id(query), "' has ", result[query].size(),
                   " negatives, the query '", dataset.queries.id(first_used), "' has ",
                   result[first_used].size(), "; every query needs the same number, or none");
  }
  if (first_used < 0) mistakes.add("no query has negatives");
  mistakes.throw_if_any(kNegativesAdvice);
  return result;
}

// A JSON string as Python writes it.
std::string quoted(const std::string& text) { return dump_json_like_python(Json(text), -1); }

template <class Write>
void write_table(const char* key, const TextTable& table, const Write& write) {
  write(str_cat("    \"", key, "\": {"));
  for (std::int64_t row = 0; row < table.size(); ++row)
    write(str_cat(row == 0 ? "\n" : ",\n", "        ", quoted(table.id(row)), ": ",
                  quoted(table.text(row))));
  write(table.size() == 0 ? "},\n" : "\n    },\n");
}

// Written by hand, piece by piece: an ordered JSON object of 100,000 entries takes a search for
// every insertion, and a second copy of all texts.
template <class Write>
void write_json(const EmbeddingQAFinetuneDataset& dataset, const Write& write) {
  ATTUNE_ASSERT(static_cast<std::int64_t>(dataset.relevant_docs.size()) == dataset.queries.size());
  write("{\n");
  write_table("queries", dataset.queries, write);
  write_table("corpus", dataset.corpus, write);
  write("    \"relevant_docs\": {");
  for (std::int64_t query = 0; query < dataset.queries.size(); ++query) {
    write(str_cat(query == 0 ? "\n" : ",\n", "        ", quoted(dataset.queries.id(query)), ": ["));
    const std::vector<std::int64_t>& rows = dataset.relevant_docs[query];
    for (std::size_t i = 0; i < rows.size(); ++i)
      write(str_cat(i == 0 ? "\n" : ",\n", "            ", quoted(dataset.corpus.id(rows[i]))));
    write(rows.empty() ? "]" : "\n        ]");
  }
  write(dataset.queries.size() == 0 ? "},\n" : "\n    },\n");
  write("    \"mode\": \"text\"\n}");
}

}  // namespace

bool TextTable::add(std::string id, std::string text) {
  if (!row_of_.try_emplace(id, size()).second) return false;
  ids_.push_back(std::move(id));
  texts_.push_back(std::move(text));
  return true;
}

std::int64_t TextTable::find(const std::string& id) const {
  const auto found = row_of_.find(id);
  return found == row_of_.end() ? -1 : found->second;
}

EmbeddingQAFinetuneDataset EmbeddingQAFinetuneDataset::from_json(const std::string& path) {
  Json root = read_json_file(path);
  Mistakes mistakes(path);
  if (!root.is_object()) {
    mistakes.add("the file is a JSON ", root.type_name(), ", expected an object");
    mistakes.throw_if_any(kDatasetAdvice);
  }
  EmbeddingQAFinetuneDataset dataset;
  read_table(root, "queries", dataset.queries, mistakes);
  read_table(root, "corpus", dataset.corpus, mistakes);
  dataset.relevant_docs.resize(dataset.queries.size());
  if (const Json* relevant = find_object(root, "relevant_docs", mistakes)) {
    std::vector<bool> seen(dataset.queries.size());
    for (const auto& [id, passages] : relevant->items()) {
      const std::string place = str_cat("relevant_docs: '", id, "'");
      const std::int64_t query = dataset.queries.find(id);
      if (query < 0) {
        mistakes.add(place, ": no such query in 'queries'");
        continue;
      }
      if (seen[query]) mistakes.add(place, ": the id stands there twice");
      seen[query] = true;
      dataset.relevant_docs[query] = read_passage_ids(passages, dataset.corpus, place, mistakes);
    }
  }
  if (const auto mode = root.find("mode"); mode != root.end() && *mode != "text")
    mistakes.add("'mode' is ", dump_json_like_python(*mode, -1),
                 ", expected \"text\": only texts can be embedded");
  mistakes.throw_if_any(kDatasetAdvice);
  return dataset;
}

std::string EmbeddingQAFinetuneDataset::to_json() const {
  std::string out;
  write_json(*this, [&](std::string_view piece) { out += piece; });
  return out;
}

void EmbeddingQAFinetuneDataset::save_json(const std::string& path) const {
  write_file_durably(path, to_json());
}

Fingerprint EmbeddingQAFinetuneDataset::fingerprint() const {
  Sha256 hash;
  write_json(*this, [&](std::string_view piece) { hash.update(piece); });
  return hash.hex();
}

bool TrainingRows::add(const EmbeddingQAFinetuneDataset& dataset, std::int64_t query,
                       std::span<const std::int64_t> documents) {
  const auto is_blank = [](std::string_view text) {
    return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
  };
  const std::vector<std::string>& corpus = dataset.corpus.texts();
  if (is_blank(dataset.queries.texts()[query]) ||
      std::any_of(documents.begin(), documents.end(),
                  [&](std::int64_t document) { return is_blank(corpus[document]); }))
    return false;
  columns.resize(1 + documents.size());
  document_id.resize(documents.size());
  columns[0].push_back(dataset.queries.texts()[query]);
  query_id.push_back(query);
  for (std::size_t c = 0; c < documents.size(); ++c) {
    columns[1 + c].push_back(corpus[documents[c]]);
    document_id[c].push_back(documents[c]);
  }
  return true;
}

TrainingRows make_training_rows(const EmbeddingQAFinetuneDataset& dataset, bool use_all_docs,
                                const std::string& negatives_path) {
  const std::int64_t query_count = dataset.queries.size();
  std::vector<bool> used(query_count);
  for (std::int64_t query = 0; query < query_count; ++query)
    used[query] = !dataset.relevant_docs[query].empty();
  std::vector<std::vector<std::int64_t>> negatives(query_count);
  if (!negatives_path.empty()) negatives = read_negatives(dataset, used, negatives_path);

  TrainingRows rows;
  rows.relevant = dataset.relevant_docs;
  std::vector<std::int64_t> documents;
  for (std::int64_t query = 0; query < query_count; ++query) {
    if (!used[query]) {
      ++rows.skipped_unanswered;
      continue;
    }
    if (!negatives_path.empty() && negatives[query].empty()) {
      ++rows.skipped_without_negatives;
      continue;
    }
    const std::vector<std::int64_t>& relevant = dataset.relevant_docs[query];
    const std::size_t positives = use_all_docs ? relevant.size() : 1;
    for (std::size_t i = 0; i < positives; ++i) {
      documents = {relevant[i]};
      documents.insert(documents.end(), negatives[query].begin(), negatives[query].end());
      if (!rows.add(dataset, query, documents)) ++rows.skipped_empty;
    }
  }
  return rows;
}

}  // namespace attune
