#include "data/csv_reader.h"

#include <algorithm>

#include "core/error.h"

namespace attune {

CsvReader::CsvReader(const std::string& path, char separator)
    : lines_(path), separator_(separator) {}

bool CsvReader::next(std::vector<std::string>& fields) {
  std::string_view line;
  do {
    if (!lines_.next(line)) return false;
  } while (line.empty());
  row_line_ = lines_.line_number();
  fields.clear();
  read_row(line, fields);
  return true;
}

void CsvReader::read_row(std::string_view line, std::vector<std::string>& fields) {
  const auto refuse = [&](const auto&... parts) {
    throw_error(ErrorKind::kData, lines_.path(), ":", lines_.line_number(), ": ", parts...);
  };
  std::size_t row_bytes = line.size();
  while (true) {
    if (fields.size() == kMaxFields) refuse("a row of more than ", kMaxFields, " fields");
    std::string& field = fields.emplace_back();
    if (!line.starts_with('"')) {
      const std::size_t end = std::min(line.find(separator_), line.size());
      field = line.substr(0, end);
      if (field.find('\r') != std::string::npos)
        refuse(
            "a carriage return that no line feed follows; lines end with LF or CR LF, and a "
            "text with one stands in quotes");
      line.remove_prefix(end);
    } else {
      line.remove_prefix(1);
      while (true) {
        const std::size_t quote = std::min(line.find('"'), line.size());
        field += line.substr(0, quote);
        line.remove_prefix(quote);
        if (line.starts_with("\"\"")) {
          field += '"';
          line.remove_prefix(2);
        } else if (!line.empty()) {
          break;
        } else {
          field += lines_.line_end();
          if (!lines_.next(line))
            refuse("a quote that is opened in the row of line ", row_line_,
                   " is not closed until the end of the file");
          row_bytes += line.size() + 1;
          if (row_bytes > LineReader::kMaxLineBytes)
            refuse("a row of more than ", LineReader::kMaxLineBytes >> 20,
                   " MiB; is a quote of line ", row_line_, " not closed?");
        }
      }
      line.remove_prefix(1);
      if (!line.empty() && line[0] != separator_)
        refuse("'", line.substr(0, 20), "' follows a closing quote, expected '", separator_,
               "' or the end of the row; a quote inside quotes is doubled");
    }
    if (line.empty()) return;
    line.remove_prefix(1);
  }
}

std::string csv_field(std::string_view text, char separator) {
  const bool needs_quotes =
      text.find_first_of("\"\r\n") != std::string_view::npos || text.find(separator) != text.npos;
  if (!needs_quotes) return std::string(text);
  std::string field = "\"";
  for (const char c : text) {
    if (c == '"') field += '"';
    field += c;
  }
  return field + '"';
}

}  // namespace attune
