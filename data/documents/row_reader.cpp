#include "data/documents/row_reader.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "data/csv_reader.h"
#include "data/documents/text_reader.h"
#include "data/lines.h"
#include "data/mistakes.h"

namespace attune {
namespace {

struct Row {
  std::string title, id, text;
};

// The documents of one file, or its mistakes.
class Rows {
 public:
  explicit Rows(const Document& file) : file_(file), mistakes_(file.path) {}

  void add(std::int64_t line, Row row) {
    Document document{file_.path, str_cat(file_.relative, ":", line), file_.root,
                      parse_text(row.text)};
    document.content.title = std::move(row.title);
    for (Section& section : document.content.sections) section.anchor = row.id;
    documents_.push_back(std::move(document));
  }
  template <class... Parts>
  void refuse(std::int64_t line, const Parts&... parts) {
    mistakes_.add("line ", line, ": ", parts...);
  }
  // Calls read(), which may throw on what is wrong in one row.
  template <class Read>
  void attempt(Read&& read) {
    try {
      read();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kData) throw;
      mistakes_.add(error.what());
    }
  }
  std::vector<Document> take() {
    mistakes_.throw_if_any(
        "A row needs a \"text\" and may have \"title\" and \"id\"; correct the rows, or leave the "
        "file out (documents.exclude)");
    return std::move(documents_);
  }

 private:
  const Document& file_;
  std::vector<Document> documents_;
  Mistakes mistakes_;
};

Row row_of(const Json& value, const std::string& place) {
  if (!value.is_object())
    throw_error(ErrorKind::kData, place, ": ", value.type_name(),
                " where an object is expected, such as {\"text\": \"...\"}");
  const auto text_of = [&](const char* key) -> std::string {
    const auto found = value.find(key);
    if (found == value.end() || found->is_null()) return {};
    if (!found->is_string())
      throw_error(ErrorKind::kData, place, ": ", key, " is of type ", found->type_name(),
                  ", not a string");
    return found->get<std::string>();
  };
  if (!value.contains("text")) throw_error(ErrorKind::kData, place, ": there is no \"text\"");
  if (value["text"].is_null()) throw_error(ErrorKind::kData, place, ": \"text\" is null");
  const auto id = value.find("id");
  const bool is_number = id != value.end() && id->is_number_integer();
  return {text_of("title"), is_number ? id->dump() : text_of("id"), text_of("text")};
}

}  // namespace

std::vector<Document> read_jsonl_documents(const Document& file) {
  Rows rows(file);
  LineReader lines(file.path);
  rows.attempt([&] {
    for (std::string_view line; lines.next(line);) {
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      rows.attempt([&] {
        const std::string place = str_cat(file.path, ":", lines.line_number());
        rows.add(lines.line_number(), row_of(parse_json(line, place), place));
      });
    }
  });
  return rows.take();
}

std::vector<Document> read_csv_documents(const Document& file) {
  Rows rows(file);
  CsvReader csv(file.path);
  std::vector<std::string> names, fields;
  csv.next(names);
  const auto column = [&](const char* name) {
    if (std::count(names.begin(), names.end(), name) > 1)
      throw_error(ErrorKind::kData, file.path, ":", csv.line_number(), ": two columns are named ",
                  name);
    return std::find(names.begin(), names.end(), name) - names.begin();
  };
  const auto title = column("title"), id = column("id"), text = column("text");
  const auto width = std::ssize(names);
  if (text == width)
    throw_error(ErrorKind::kData, file.path,
                ":1: no column is named text; the first row names the columns (text, and if there "
                "are any title and id); correct it, or leave the file out (documents.exclude)");
  const auto field = [&](std::ptrdiff_t at) { return at < width ? fields[at] : std::string(); };
  for (bool more = true; more;) {
    rows.attempt([&] {
      more = csv.next(fields);
      if (!more) return;
      const std::int64_t line = csv.line_number();
      if (std::ssize(fields) != width)
        return rows.refuse(line, fields.size(), " fields, and the first row has ", width);
      Row row{field(title), field(id), field(text)};
      for (const std::string* value : {&row.title, &row.id, &row.text})
        if (const std::size_t bad = find_invalid_utf8(*value); bad != std::string::npos)
          return rows.refuse(line, "a field's byte ", bad, " is not UTF-8");
      rows.add(line, std::move(row));
    });
  }
  return rows.take();
}

}  // namespace attune
