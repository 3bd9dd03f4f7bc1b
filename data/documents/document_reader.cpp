#include "data/documents/document_reader.h"

#include <algorithm>
#include <cctype>
#include <cstddef>

#include "core/file.h"
#include "data/documents/encoding.h"
#include "data/documents/html_reader.h"
#include "data/documents/markdown_reader.h"
#include "data/documents/pdf_reader.h"
#include "data/documents/row_reader.h"
#include "data/documents/text_reader.h"

namespace attune {
namespace {

constexpr std::size_t kMaxHtmlBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxTextBytes = std::size_t{256} << 20;

std::vector<Document> one(const Document& file, DocumentContent content) {
  std::vector<Document> documents{file};
  documents[0].content = std::move(content);
  return documents;
}

std::vector<Document> read_plain_text(const Document& file, const std::string& encoding) {
  return one(
      file, parse_text(decode_text(read_text_file(file.path, kMaxTextBytes), encoding, file.path)));
}

std::vector<Document> read_markdown(const Document& file, const std::string& encoding) {
  const std::string text =
      decode_text(read_text_file(file.path, kMaxMarkdownBytes), encoding, file.path);
  return one(file, parse_markdown(text, file.path));
}

std::vector<Document> read_html(const Document& file, const std::string& encoding) {
  std::string bytes = read_text_file(file.path, kMaxHtmlBytes);
  const std::string declared = declared_charset(bytes);
  const std::string text =
      decode_text(std::move(bytes), declared.empty() ? encoding : declared, file.path);
  return one(file, parse_html(text, file.path));
}

}  // namespace

std::span<const DocumentReader> document_readers() {
  static const std::vector<DocumentReader> readers = {
      {"HTML", {".html", ".htm", ".xhtml"}, true, read_html},
      {"Markdown", {".md", ".markdown"}, true, read_markdown},
      {"plain text", {".txt", ".text"}, true, read_plain_text},
      {"PDF",
       {".pdf"},
       false,
       [](const Document& file, const std::string&) { return one(file, read_pdf(file.path)); }},
      {"JSONL",
       {".jsonl", ".ndjson"},
       true,
       [](const Document& file, const std::string&) { return read_jsonl_documents(file); }},
      {"CSV",
       {".csv"},
       true,
       [](const Document& file, const std::string&) { return read_csv_documents(file); }},
  };
  return readers;
}

const DocumentReader* find_reader(std::string_view path) {
  std::string name(path.substr(path.rfind('/') + 1));
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const bool is_gzip = name.ends_with(".gz");
  if (is_gzip) name.resize(name.size() - 3);
  for (const DocumentReader& reader : document_readers())
    if (!is_gzip || reader.reads_gzip)
      for (const std::string_view extension : reader.extensions)
        if (name.ends_with(extension)) return &reader;
  return nullptr;
}

std::string known_kinds() {
  std::string all;
  for (const DocumentReader& reader : document_readers()) {
    if (!all.empty()) all += ", ";
    all.append(reader.kind) += " (";
    for (const std::string_view extension : reader.extensions)
      all.append(extension == reader.extensions[0] ? "" : " ").append(extension);
    all += ')';
  }
  return all;
}

}  // namespace attune
