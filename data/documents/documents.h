// The `documents:` section of a configuration and what it names: files read into sections.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/config_reader.h"
#include "data/documents/document.h"
#include "data/documents/encoding.h"

namespace attune {

// `paths`: data/documents/file_search.h. Kinds of files: data/documents/document_reader.h.
//
// Patterns of `exclude`: `*`, `?` and `[...]`; `*` also stands for '/'. A pattern that begins with
// '/' is held against the whole path, any other against the path below the folder that `paths`
// names (for a file named there: its name; for a glob: the path below its part without wildcard).
//
// Encoding of text, Markdown and HTML: a byte order mark decides, then what an HTML page declares,
// then `encoding`. JSONL and CSV are UTF-8.
struct DocumentsConfig {
  std::vector<std::string> paths;
  std::vector<std::string> exclude;
  std::string encoding;

  template <class Fields>
  void visit(Fields& f) {
    f.field("paths", paths,
            "files, folders (searched with all below them) and globs (docs/**/*.md), of HTML, "
            "Markdown, plain text, PDF, JSONL and CSV, all but PDF also as .gz",
            not_empty());
    f.field("exclude", exclude,
            "patterns of files to leave out, such as genindex*.html or whatsnew/*");
    f.field("encoding", encoding,
            "of text, Markdown and HTML files that do not name their own, such as windows-1252; "
            "left out: UTF-8");
    if (!is_known_encoding(encoding))
      f.mistake("encoding", "the system's iconv knows no encoding '" + encoding +
                                "' ('iconv -l' lists those it does)");
  }
};

struct DocumentSet {
  std::vector<Document> documents;                  // of JSONL and CSV one a row
  std::map<std::string, std::int64_t> read_files;   // by kind
  std::map<std::string, std::int64_t> other_files;  // of no known kind, by the name's end (".png")
  std::int64_t excluded_files = 0;

  // For people: "12 documents (HTML 9, Markdown 3); 2 without text; 4 files of other kinds ...".
  std::string summary() const;
};

bool matches_any(const std::vector<std::string>& patterns, const Document& document);

// Reads every file once, in the order of `paths` and sorted by relative path within each; a file
// that is reached twice (links, overlapping folders) counts the first time only. Files of other
// kinds are passed over and counted. Refused with ErrorKind::kConfig: a path that is not there, a
// single file of another kind, a path without any file to read, an exclude that leaves nothing.
// kResources: an unreadable folder or file. kData: as the readers refuse a file.
DocumentSet read_documents(const DocumentsConfig& config, int threads = 0);

}  // namespace attune
