// JSONL and CSV files whose every row is a document, in UTF-8.
//
// Of JSONL a row is a line with an object, blank lines are passed over; of CSV (RFC 4180) the first
// row names the columns. `text` is needed, `title` and `id` may be there, anything else is ignored.
// A row's document has the file's path, `relative` with the row's line ("docs.jsonl:12"), its text
// as data/documents/text_reader.h reads plain text, and its id as the section's anchor.
#pragma once

#include <vector>

#include "data/documents/document.h"

namespace attune {

// `file` names the file (path, relative, root). Refused with ErrorKind::kData, at most 20 mistakes
// told at once, each with its line: what is not JSON or CSV, a row without a text, values that are
// no strings (an id may be a whole number), rows of CSV of another length than the first, bytes
// that are not UTF-8; and what data/lines.h refuses.
std::vector<Document> read_jsonl_documents(const Document& file);
std::vector<Document> read_csv_documents(const Document& file);

}  // namespace attune
