// The rows of a table, one after the other in bounded memory: .jsonl, .csv and .tsv, also .gz.
//
// JSONL: one object a line, the same keys in the same order in each. CSV and TSV: names in the
// first row (data/csv_reader.h). Columns "label", "labels", "score" or "scores" (at most one of
// them) hold a number or a JSON list of numbers, of the same length in every row; all others are
// texts, two at least, whatever their names: query, positive, negative, ... or two sentences.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/csv_reader.h"
#include "data/dataset_formats.h"
#include "data/lines.h"

namespace attune {

struct Row {
  std::vector<std::string> texts;  // [columns], UTF-8
  Json label;                      // a number, a list of numbers (finite as float), or null
};

class RowReader {
 public:
  enum class State : std::uint8_t { kRow, kRefused, kEnd };

  // Error{kData}: no such file, or another format; of CSV and TSV names that are missing, empty,
  // doubled, or too few.
  explicit RowReader(const std::string& path);

  // After kRefused the next call goes on behind that row, as far as the file can be read.
  State next(Row& row);
  const std::string& refusal() const { return refusal_; }  // "line 3: ..." of that row
  std::int64_t line_number() const;                        // where the row began, from 1

  // Of JSONL: those of the first row that was not refused; empty before it.
  const std::vector<std::string>& columns() const { return columns_; }
  const std::string& label_column() const { return label_column_; }  // "" if there is none

 private:
  struct Cell {
    std::string name;
    Json value;
  };
  bool read_cells();  // of the next row; false at the end
  void take(Row& row);

  DatasetFormat format_;
  std::unique_ptr<LineReader> lines_;
  std::unique_ptr<CsvReader> csv_;
  std::vector<std::string> names_;  // of all columns; of CSV and TSV from the start
  std::vector<Cell> cells_;
  std::vector<std::string> columns_;
  std::string label_column_, refusal_;
  int labels_per_row_ = -1;  // not known before the first row
};

bool is_label_column(const std::string& name);

// Rows as text: what RowReader reads again.
class RowFormat {
 public:
  RowFormat(DatasetFormat format, std::vector<std::string> columns, std::string label_column);
  std::string heading() const;  // "" for JSONL
  std::string line(const Row& row) const;

 private:
  std::string join(const std::vector<std::string>& fields) const;
  DatasetFormat format_;
  std::vector<std::string> columns_;
  std::string label_column_;
};

}  // namespace attune
