// A document as every reader gives it: titled sections of plain text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attune {

struct Section {
  std::vector<std::string>
      path;                 // headings from the document's first down to its own; empty: before any
  std::string text;         // without headings and sub-sections; blocks are separated by line feeds
  std::string anchor = {};  // id to put behind '#', empty if there is none
  int page = 0;             // from 1 where the format has pages, else 0
};

// What is in one.
struct DocumentContent {
  std::string title;  // empty if there is none
  std::vector<Section>
      sections;  // in the document's order, without those that have neither path nor text
};

struct Document {
  std::string path;       // as found: the configured path, '/' and the path below it
  std::string relative;   // the path below the configured folder
  std::int64_t root = 0;  // which of DocumentsConfig::paths
  DocumentContent content;
};

}  // namespace attune
