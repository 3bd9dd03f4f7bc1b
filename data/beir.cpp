#include "data/beir.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <vector>

#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "data/csv_reader.h"
#include "data/lines.h"
#include "data/mistakes.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAdvice =
    R"(expected DIR/corpus.jsonl and DIR/queries.jsonl with {"_id": id, "text": text} a line, and )"
    R"(DIR/qrels/SPLIT.tsv with "query-id", "corpus-id", "score" in its first line)";

// FILE or FILE.gz; nothing where neither is there.
std::optional<std::string> find_file(const fs::path& path) {
  for (const char* end : {"", ".gz"})
    if (file_exists(path.string() + end)) return path.string() + end;
  return std::nullopt;
}

std::string require_file(const fs::path& path) {
  const auto found = find_file(path);
  if (!found) throw_error(ErrorKind::kData, path.string(), ": there is no such file; ", kAdvice);
  return *found;
}

struct Place {
  fs::path folder;
  std::string qrels;
};

Place find_place(const std::string& path) {
  if (!fs::is_directory(path)) return {fs::path(path).parent_path().parent_path(), path};
  std::set<std::string> splits;
  const fs::path folder = fs::path(path) / "qrels";
  if (fs::is_directory(folder))
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(".tsv") || name.ends_with(".tsv.gz")) splits.insert(entry.path().string());
    }
  if (splits.empty())
    throw_error(ErrorKind::kData, folder.string(), ": no SPLIT.tsv is there; ", kAdvice);
  if (splits.size() > 1) {
    std::string names;
    for (const std::string& split : splits) names += (names.empty() ? "" : ", ") + split;
    throw_error(ErrorKind::kData, path, ": several splits are there; name one of ", names);
  }
  return {path, *splits.begin()};
}

std::string without_space_around(const std::string& text) {
  constexpr const char* kSpace = " \t\n\r\v\f";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool says_something(const Json& value) {
  return !(value.is_null() || (value.is_structured() && value.empty()) || value == "");
}

class Reader {
 public:
  Reader(BeirDataset& out, const std::string& path) : out_(out), mistakes_(path) {}

  // corpus.jsonl or queries.jsonl
  void read_texts(const std::string& path, bool has_title, TextTable& table) {
    LineReader lines(path);
    const std::string file = fs::path(path).filename().string();
    std::string_view line;
    while (next_line(lines, line)) {
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      const std::string place = str_cat(file, ", line ", lines.line_number());
      try {
        add_text(parse_json(line, place), place, has_title, table);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kData) throw;
        refuse(error.what());
      }
    }
  }

  void read_judgements(const std::string& path, const TextTable& queries) {
    CsvReader rows(path, '\t');
    const std::string file = fs::path(path).filename().string();
    rows_of_.resize(queries.size());
    judged_.resize(queries.size());
    std::vector<std::string> fields;
    bool is_heading = true;
    while (true) {
      try {
        if (!rows.next(fields)) return;
        add_judgement(fields, str_cat(file, ", line ", rows.line_number()), is_heading, queries);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kData) throw;
        refuse(error.what());
      }
      is_heading = false;
    }
  }

  // Queries in their file's order, those that are judged.
  void finish(const TextTable& queries) {
    mistakes_.throw_if_any(kAdvice);
    for (std::int64_t query = 0; query < queries.size(); ++query) {
      if (!judged_[query]) {
        --out_.counts.used;
        ++out_.counts.skipped["a query that the split does not judge"];
        continue;
      }
      out_.dataset.queries.add(queries.id(query), queries.text(query));
      out_.dataset.relevant_docs.push_back(std::move(rows_of_[query]));
    }
  }

 private:
  void refuse(const std::string& what) {
    ++out_.counts.refused;
    mistakes_.add(what);
  }

  // A line that cannot be read ends the file.
  bool next_line(LineReader& lines, std::string_view& line) {
    try {
      return lines.next(line);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kData) throw;
      refuse(error.what());
      return false;
    }
  }

  void add_text(Json line, const std::string& place, bool has_title, TextTable& table) {
    const auto refuse_here = [&](const auto&... parts) {
      throw_error(ErrorKind::kData, place, ": ", parts...);
    };
    if (!line.is_object()) refuse_here("a JSON ", line.type_name(), ", expected an object");
    std::string id, text, title;
    bool has_id = false, has_text = false, has_more = false;
    for (auto& [key, value] : line.items()) {
      const bool is_title = has_title && key == "title";
      if (key != "_id" && key != "text" && !is_title) {
        has_more = has_more || says_something(value);
        continue;
      }
      if (is_title && value.is_null()) continue;
      if (!value.is_string())
        refuse_here("'", key, "' is a JSON ", value.type_name(), ", expected a string");
      (key == "_id" ? id : is_title ? title : text) = value.get_ref<const std::string&>();
      has_id = has_id || key == "_id";
      has_text = has_text || key == "text";
    }
    if (!has_id || !has_text) refuse_here("'", has_id ? "text" : "_id", "' is missing");
    if (has_title) text = without_space_around(title + " " + text);
    if (!table.add(id, std::move(text))) refuse_here("the id '", id, "' stands there twice");
    ++out_.counts.used;
    if (has_more) ++out_.more;
  }

  void add_judgement(const std::vector<std::string>& fields, const std::string& place,
                     bool is_heading, const TextTable& queries) {
    const auto refuse_here = [&](const auto&... parts) {
      throw_error(ErrorKind::kData, place, ": ", parts...);
    };
    if (fields.size() != 3)
      refuse_here(fields.size(),
                  " fields, expected 3, with tabs between them: query-id, "
                  "corpus-id, score");
    for (const std::string& field : fields)
      if (find_invalid_utf8(field) != std::string_view::npos) refuse_here("not UTF-8");
    int score = 0;
    const char* const end = fields[2].data() + fields[2].size();
    const auto [stop, error] = std::from_chars(fields[2].data(), end, score);
    const bool is_number = error == std::errc{} && stop == end && !fields[2].empty();
    if (is_heading) {
      if (is_number)
        refuse_here(
            "a judgement where the heading query-id, corpus-id, score is expected: BEIR's "
            "reader would pass over it");
      return;
    }
    if (!is_number) refuse_here("the score '", fields[2], "' is no whole number");
    const std::int64_t query = queries.find(fields[0]);
    const std::int64_t passage = out_.dataset.corpus.find(fields[1]);
    if (query < 0) refuse_here("no query '", fields[0], "' in queries.jsonl");
    if (passage < 0) refuse_here("no passage '", fields[1], "' in corpus.jsonl");
    if (!pairs_.emplace(query, passage).second)
      refuse_here("query '", fields[0], "' and passage '", fields[1], "' are judged twice");
    judged_[query] = true;
    if (score > 0) {
      rows_of_[query].push_back(passage);
      ++out_.counts.used;
    } else {
      ++out_.counts.skipped["a passage that is judged not to be relevant"];
    }
    if (score > 1) ++out_.graded;
  }

  BeirDataset& out_;
  Mistakes mistakes_;
  std::vector<std::vector<std::int64_t>> rows_of_;  // [queries] the passages that answer it
  std::vector<bool> judged_;                        // [queries]
  std::set<std::pair<std::int64_t, std::int64_t>> pairs_;
};

}  // namespace

bool is_beir(const std::string& path) {
  std::error_code ignored;  // whoever opens it tells what is wrong with the path
  if (fs::is_directory(path, ignored))
    return find_file(fs::path(path) / "corpus.jsonl").has_value();
  if (!path.ends_with(".tsv") && !path.ends_with(".tsv.gz")) return false;
  const fs::path folder = fs::path(path).parent_path();
  return folder.filename() == "qrels" &&
         find_file(folder.parent_path() / "corpus.jsonl").has_value();
}

std::vector<std::string> beir_files(const std::string& path) {
  const Place place = find_place(path);
  return {require_file(place.folder / "corpus.jsonl"), require_file(place.folder / "queries.jsonl"),
          place.qrels};
}

BeirDataset read_beir(const std::string& path) {
  const std::vector<std::string> files = beir_files(path);
  BeirDataset out;
  Reader reader(out, path);
  TextTable queries;
  reader.read_texts(files[0], true, out.dataset.corpus);
  reader.read_texts(files[1], false, queries);
  reader.read_judgements(files[2], queries);
  reader.finish(queries);
  return out;
}

void write_beir(const EmbeddingQAFinetuneDataset& dataset, const std::string& folder,
                const std::string& split) {
  DurableDirectory out(folder);
  const auto write_texts = [&](const char* name, const TextTable& table, bool has_title) {
    out.write_pieces(name, [&](const auto& write) {
      for (std::int64_t row = 0; row < table.size(); ++row) {
        Json line{{"_id", table.id(row)}};
        if (has_title) line["title"] = "";
        line["text"] = table.text(row);
        write(dump_json_like_python(line, -1) + "\n");
      }
    });
  };
  write_texts("corpus.jsonl", dataset.corpus, true);
  write_texts("queries.jsonl", dataset.queries, false);
  out.write_pieces("qrels/" + split + ".tsv", [&](const auto& write) {
    write("query-id\tcorpus-id\tscore\n");
    for (std::int64_t query = 0; query < dataset.queries.size(); ++query)
      for (const std::int64_t passage : dataset.relevant_docs[query])
        write(csv_field(dataset.queries.id(query), '\t') + "\t" +
              csv_field(dataset.corpus.id(passage), '\t') + "\t1\n");
  });
  out.commit();
}

}  // namespace attune
