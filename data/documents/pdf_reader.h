// PDF as one section a page, without headings, through the program pdftotext of poppler-utils, in
// its reading order (-layout would put the columns of a page on common lines). Paragraphs as
// data/documents/text_reader.h makes them, words that were broken at line ends joined again. A page
// without text (a picture) gives no section; nothing is recognised in pictures.
#pragma once

#include <string>

#include "data/documents/document.h"

namespace attune {

struct PdfLimits {
  std::size_t max_text_bytes = std::size_t{64} << 20;
  int max_seconds = 120;
};

// Error{kResources}: there is no pdftotext in PATH, or it cannot be started. Error{kData} with the
// path and what pdftotext says: no PDF, damaged, encrypted, copying not allowed, over a limit (it
// is killed then).
DocumentContent read_pdf(const std::string& path, const PdfLimits& limits = {});

}  // namespace attune
