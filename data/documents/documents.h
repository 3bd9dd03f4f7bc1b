// The `documents:` section of a configuration and what it names: pages read into sections.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config_reader.h"
#include "data/documents/document.h"

namespace attune {

// Shell patterns: `*`, `?` and `[...]`; `*` also stands for '/'. A pattern that begins with '/' is
// held against the whole path, any other against the path below the folder that `paths` names (for
// a file named there: its name).
struct DocumentsConfig {
  std::vector<std::string> paths;
  std::vector<std::string> exclude;

  template <class Fields>
  void visit(Fields& f) {
    f.field("paths", paths, "folders (searched recursively for .html and .htm) and single files",
            not_empty());
    f.field("exclude", exclude,
            "patterns of pages to leave out, such as genindex*.html or whatsnew/*");
  }
};

bool matches_any(const std::vector<std::string>& patterns, const Document& document);

// Reads every page once, in the order of `paths` and sorted by relative path within each; a file
// that is reached twice (links, overlapping folders) counts the first time only. Links to folders
// are not followed, but for the configured paths themselves. Refused: a path that is not there
// (ErrorKind::kConfig), a single file of another kind than HTML (kConfig, by name), an unreadable
// folder (kResources), a page over 16 MiB or as parse_html refuses it (kData).
std::vector<Document> read_documents(const DocumentsConfig& config, int threads = 0);

}  // namespace attune
