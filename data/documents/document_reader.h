// The kinds of files that documents are read from. A new kind is one file pair with its reader and
// one line in document_reader.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/documents/document.h"

namespace attune {

struct DocumentReader {
  std::string_view kind;
  std::vector<std::string_view> extensions;  // in small letters, with their dot
  bool reads_gzip = true;                    // the same extensions with .gz behind them
  // `file` names the file (path, relative, root), `encoding` is of files that do not name their
  // own. One document; of JSONL and CSV one a row.
  std::vector<Document> (*read)(const Document& file, const std::string& encoding);
};

std::span<const DocumentReader> document_readers();

// By the name's end, large or small letters; null if there is none.
const DocumentReader* find_reader(std::string_view path);

// "HTML (.html, .htm), ..." of every kind.
std::string known_kinds();

}  // namespace attune
