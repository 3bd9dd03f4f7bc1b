// What a data set of any format holds, what is wrong in it, and what several share that must not.
// Tables are read row by row: beside a row there is no memory but 16 bytes for each row and 8 for
// each text of further columns. Texts are compared by 64 bits of their hash.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "data/dataset_formats.h"

namespace attune {

struct Spread {
  std::int64_t count = 0;
  double least = std::numeric_limits<double>::infinity(), most = -least, sum = 0;
  void add(double value);
  double mean() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
};

struct ColumnSummary {
  std::string name;  // of a table; "queries" and "corpus" else
  Spread words{},
      characters{};           // of each text; words as white space has them, characters of Unicode
  std::int64_t distinct = 0;  // different texts
};

struct DatasetSummary {
  std::string path;
  DatasetFormat format = DatasetFormat::kJson;
  RowCounts rows;
  std::vector<std::string> refusals;  // the first 20 that are refused, with their lines
  std::vector<ColumnSummary> columns;
  // Different passages that answer each query: of a table without labels, those of the second
  // column.
  Spread relevant_per_query;
  std::int64_t pairs = 0, repeated_pairs = 0;  // of query and passage, or of a table's first texts
  Spread labels;
  // Ascending, each once: hashes of queries, and of passages that answer one (of a table with
  // labels: of the second column).
  std::vector<std::uint64_t> queries, passages;

  Json to_json() const;
  std::string to_text() const;
};

// What `on_text` is told: 0 a query, 1 a passage that answers one, its hash, and its line or id.
using OnText = std::function<void(int what, std::uint64_t hash, std::string_view text,
                                  const std::string& place)>;

// A file that cannot be read as its format at all has one refusal, that one. Error{kResources}.
DatasetSummary summarize_dataset(const std::string& path, const OnText& on_text = {});

// The same query, or the same answering passage, in two of several data sets.
struct Leak {
  const char* what = "";                  // "query" or "passage"
  std::string first, second;              // the two paths
  std::string first_place, second_place;  // "line 3" or "'id'"
  std::string text;
};
struct Leaks {
  std::int64_t queries = 0, passages = 0;  // that stand in more than one
  std::vector<Leak> shown;                 // the first 20
};
Leaks find_leaks(std::span<const DatasetSummary> summaries);

}  // namespace attune
