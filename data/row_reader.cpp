#include "data/row_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/file.h"

namespace attune {
namespace {

constexpr std::size_t kMinTexts = 2;

// Numbers of a label; -1 where it is none.
int count_numbers(const Json& label) {
  const auto is_finite = [](const Json& number) {
    return number.is_number() && std::isfinite(number.get<float>());
  };
  if (!label.is_array()) return is_finite(label) ? 1 : -1;
  const bool all = !label.empty() && std::all_of(label.begin(), label.end(), is_finite);
  return all ? static_cast<int>(label.size()) : -1;
}

// A field of CSV that holds a label: a number as people write it, or a JSON list of them.
Json parse_label(const std::string& field, const std::string& place) {
  if (field.starts_with('[')) return parse_json(field, place);
  const char* const end = field.data() + field.size();
  std::int64_t whole = 0;
  if (const auto [stop, error] = std::from_chars(field.data(), end, whole);
      error == std::errc{} && stop == end)
    return whole;
  double number = 0;
  if (const auto [stop, error] = std::from_chars(field.data(), end, number);
      error == std::errc{} && stop == end)
    return number;
  return nullptr;
}

char separator_of(DatasetFormat format) { return format == DatasetFormat::kTsv ? '\t' : ','; }

void check_heading(const std::string& path, const std::vector<std::string>& names) {
  const auto refuse = [&](const auto&... parts) {
    throw_error(ErrorKind::kData, path, ": the first row, which names the columns: ", parts...);
  };
  std::set<std::string> seen;
  std::string label;
  for (const std::string& name : names) {
    if (find_invalid_utf8(name) != std::string_view::npos) refuse("not UTF-8");
    if (name.empty())
      refuse(
          "a column without a name; does a program write its row numbers there? (pandas: "
          "index=False)");
    if (!seen.insert(name).second) refuse("'", name, "' stands there twice");
    if (!is_label_column(name)) continue;
    if (!label.empty()) refuse("two labels, '", label, "' and '", name, "'");
    label = name;
  }
  const std::size_t texts = names.size() - (label.empty() ? 0 : 1);
  if (texts < kMinTexts)
    refuse(texts, " columns of texts, expected at least two, as in query,positive");
}

}  // namespace

bool is_label_column(const std::string& name) {
  return name == "label" || name == "labels" || name == "score" || name == "scores";
}

RowReader::RowReader(const std::string& path) : format_(dataset_format(path)) {
  if (!is_table(format_))
    throw_error(ErrorKind::kData, path, ": ", format_name(format_),
                " is no table of rows; expected .jsonl, .csv or .tsv");
  if (format_ == DatasetFormat::kJsonLines) {
    lines_ = std::make_unique<LineReader>(path);
    return;
  }
  csv_ = std::make_unique<CsvReader>(path, separator_of(format_));
  if (!csv_->next(names_))
    throw_error(ErrorKind::kData, path, ": empty, expected the columns' names in the first row");
  check_heading(path, names_);
  for (const std::string& name : names_)
    if (is_label_column(name))
      label_column_ = name;
    else
      columns_.push_back(name);
}

std::int64_t RowReader::line_number() const {
  return csv_ ? csv_->line_number() : lines_->line_number();
}

RowReader::State RowReader::next(Row& row) {
  try {
    if (!read_cells()) return State::kEnd;
    take(row);
    return State::kRow;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kData) throw;
    refusal_ = error.what();
    return State::kRefused;
  }
}

bool RowReader::read_cells() {
  cells_.clear();
  if (csv_) {
    std::vector<std::string> fields;
    if (!csv_->next(fields)) return false;
    const std::string place = str_cat("line ", line_number());
    if (fields.size() != names_.size())
      throw_error(ErrorKind::kData, place, ": ", fields.size(), " fields, the first row names ",
                  names_.size(), " columns");
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (find_invalid_utf8(fields[i]) != std::string_view::npos)
        throw_error(ErrorKind::kData, place, ": '", names_[i],
                    "' is not UTF-8; convert the file, for example with iconv");
      Json value =
          names_[i] == label_column_ ? parse_label(fields[i], place) : Json(std::move(fields[i]));
      cells_.push_back({names_[i], std::move(value)});
    }
    return true;
  }
  std::string_view line;
  do {
    if (!lines_->next(line)) return false;
  } while (line.find_first_not_of(" \t\r") == std::string_view::npos);
  const std::string place = str_cat("line ", line_number());
  Json object = parse_json(line, place);
  if (!object.is_object())
    throw_error(ErrorKind::kData, place, ": a JSON ", object.type_name(), ", expected an object");
  for (auto& [key, value] : object.items()) cells_.push_back({key, std::move(value)});
  const auto has_same_name = [](const std::string& name, const Cell& cell) {
    return name == cell.name;
  };
  if (!names_.empty() &&
      !std::equal(names_.begin(), names_.end(), cells_.begin(), cells_.end(), has_same_name))
    throw_error(ErrorKind::kData, place, ": other keys, or in another order, than before");
  return true;
}

void RowReader::take(Row& row) {
  const auto refuse = [&](const auto&... parts) {
    throw_error(ErrorKind::kData, "line ", line_number(), ": ", parts...);
  };
  row.texts.clear();
  row.label = nullptr;
  std::string label_name;
  int labels = 0;
  for (Cell& cell : cells_) {
    if (is_label_column(cell.name)) {
      if (!label_name.empty()) refuse("a second label, '", cell.name, "'");
      label_name = cell.name;
      labels = count_numbers(cell.value);
      if (labels < 0) refuse("'", cell.name, "' is no finite number, nor a list of such");
      row.label = std::move(cell.value);
    } else if (cell.value.is_string()) {
      row.texts.push_back(std::move(cell.value.get_ref<std::string&>()));
    } else {
      refuse("'", cell.name, "' is a JSON ", cell.value.type_name(), ", expected a string");
    }
  }
  if (row.texts.size() < kMinTexts) refuse("a row needs at least two texts");
  if (labels_per_row_ < 0) labels_per_row_ = labels;
  if (labels != labels_per_row_) refuse(labels, " labels, the lines before have ", labels_per_row_);
  if (!names_.empty()) return;
  for (const Cell& cell : cells_) {
    names_.push_back(cell.name);
    if (cell.name != label_name) columns_.push_back(cell.name);
  }
  label_column_ = label_name;
}

RowFormat::RowFormat(DatasetFormat format, std::vector<std::string> columns,
                     std::string label_column)
    : format_(format), columns_(std::move(columns)), label_column_(std::move(label_column)) {
  ATTUNE_ASSERT(is_table(format));
}

std::string RowFormat::join(const std::vector<std::string>& fields) const {
  const char separator = separator_of(format_);
  std::string line;
  for (const std::string& field : fields) line += csv_field(field, separator) + separator;
  line.back() = '\n';
  return line;
}

std::string RowFormat::heading() const {
  if (format_ == DatasetFormat::kJsonLines) return "";
  std::vector<std::string> names = columns_;
  if (!label_column_.empty()) names.push_back(label_column_);
  return join(names);
}

std::string RowFormat::line(const Row& row) const {
  ATTUNE_ASSERT(row.texts.size() == columns_.size());
  if (format_ == DatasetFormat::kJsonLines) {
    Json object = Json::object();
    for (std::size_t i = 0; i < columns_.size(); ++i) object[columns_[i]] = row.texts[i];
    if (!label_column_.empty()) object[label_column_] = row.label;
    return dump_json_like_python(object, -1) + "\n";
  }
  std::vector<std::string> fields = row.texts;
  if (!label_column_.empty()) fields.push_back(dump_json_like_python(row.label, -1));
  return join(fields);
}

}  // namespace attune
