// Rows of comma- or tab-separated values as RFC 4180 has them: fields in quotes may hold
// separators, line feeds and doubled quotes; a quote inside an unquoted field is a character as
// any other (as Python's csv reads it). Empty lines are passed over. Bounded memory; gzip as
// data/lines.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/lines.h"

namespace attune {

class CsvReader {
 public:
  static constexpr std::size_t kMaxFields = 4096;  // of a row; its bytes: LineReader's limit

  explicit CsvReader(const std::string& path, char separator = ',');

  // False after the last row. Rows may differ in their number of fields. Error{kData} with
  // "path:line": a quote that is not closed, bytes between a closing quote and the separator, a
  // carriage return in a row without quotes around it, too large a row. The next call goes on
  // behind the lines that were read.
  bool next(std::vector<std::string>& fields);
  std::int64_t line_number() const { return row_line_; }  // where the row began, from 1

 private:
  void read_row(std::string_view line, std::vector<std::string>& fields);
  LineReader lines_;
  char separator_;
  std::int64_t row_line_ = 0;
};

// A field as CsvReader reads it back: in quotes where it needs them.
std::string csv_field(std::string_view text, char separator);

}  // namespace attune
