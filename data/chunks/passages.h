// Documents cut into passages: what is retrieved, and what questions are made for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attune {

struct Passage {
  std::string id;                     // the first 16 hexadecimal digits of the text's SHA-256
  std::string text;                   // without headings
  std::int64_t document = 0;          // number in the documents it was cut from
  std::string title;                  // of the document
  std::vector<std::string> headings;  // around its beginning, outermost first
  int page = 0;                       // of its beginning, from 1; 0: the format has no pages
  std::int64_t section = 0;           // number in the document of the section it begins in
};

// Passages in the documents' order, no two with equal text.
struct Passages {
  std::vector<Passage> rows;
  std::int64_t documents = 0, sections = 0;
  std::int64_t skipped_short = 0;       // shorter than ChunkConfig::min_words
  std::int64_t skipped_equal = 0;       // an earlier passage has the same text
  std::int64_t skipped_near_equal = 0;  // an earlier passage has nearly the same text
};

}  // namespace attune
