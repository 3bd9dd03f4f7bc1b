// Mutated documents through every reader: read or refused as Error{kData}, never anything else, and
// what is read is UTF-8. The sanitizers look on (scripts/test).
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <random>

#include "core/error.h"
#include "core/file.h"
#include "data/documents/document_reader.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

using Random = std::mt19937_64;

const std::vector<std::string> kPieces = {"<",
                                          ">",
                                          "&#0;",
                                          "<!--",
                                          "</",
                                          "<table>",
                                          "<svg>",
                                          "<dl><dt>a?",
                                          "<pre>",
                                          "#",
                                          "\n",
                                          "\r",
                                          "---\n",
                                          "|-|\n",
                                          "|",
                                          "> ",
                                          "- ",
                                          "```",
                                          "    ",
                                          "[",
                                          "](",
                                          "\\",
                                          "\"",
                                          ",",
                                          "{",
                                          "}",
                                          "\"text\":",
                                          "\\ud800",
                                          ":",
                                          "\xEF\xBB\xBF",
                                          "\xFF\xFE",
                                          "\xC2",
                                          "\xE4\xB8\x80",
                                          "\xF0\x9F\x98\x80",
                                          "\xC2\xA0",
                                          std::string("\0", 1),
                                          "\f",
                                          "-\n",
                                          "charset=utf-16",
                                          "title: ",
                                          "{{#include x}}\n"};

std::string mutate(std::string bytes, Random& random) {
  const auto below = [&](std::size_t end) { return end == 0 ? 0 : random() % end; };
  for (std::size_t times = 1 + below(4); times > 0; --times) {
    const std::size_t at = below(bytes.size() + 1);
    const std::size_t length = below(std::min<std::size_t>(bytes.size() - at, 40) + 1);
    switch (below(5)) {
      case 0:
        bytes.insert(at, kPieces[below(kPieces.size())]);
        break;
      case 1:
        bytes.erase(at, length);
        break;
      case 2:
        bytes.insert(below(bytes.size() + 1), bytes.substr(at, length));
        break;
      case 3:
        if (at < bytes.size()) bytes[at] = static_cast<char>(random());
        break;
      default: {
        std::string many;
        const std::string& piece = kPieces[below(kPieces.size())];
        for (std::size_t i = below(300); i > 0; --i) many += piece;
        bytes.insert(at, many);
      }
    }
  }
  return bytes;
}

struct Seed {
  std::string name, bytes;
  int mutations;
};

void fuzz(const Seed& seed) {
  const Scratch scratch;
  Random random(42);
  const DocumentReader* const reader = find_reader(seed.name);
  const std::string path = scratch / seed.name;
  int read = 0;
  for (int i = 0; i < seed.mutations; ++i) {
    std::ofstream(path) << (i == 0 ? seed.bytes : mutate(seed.bytes, random));
    try {
      for (const Document& one : reader->read({path, seed.name, 0, {}}, "")) {
        std::string all = one.content.title;
        for (const Section& section : one.content.sections) {
          for (const std::string& heading : section.path) all += heading;
          all += section.text + section.anchor;
          EXPECT_FALSE(section.path.empty() && section.text.empty());
        }
        EXPECT_EQ(find_invalid_utf8(all), std::string::npos) << "mutation " << i;
      }
      ++read;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
      EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
    }
  }
  EXPECT_GT(read, seed.mutations / 25);  // some mutations are harmless, and some not
  EXPECT_LT(read, seed.mutations);
}

TEST(DocumentFuzzTest, Html) {
  fuzz({"a.html",
        "<!doctype html><meta charset=utf-8><title>T</title><nav>n</nav><main><h1 id=a>A</h1>"
        "<p>one<dl><dt>Why?<dd>so</dl><h2>B</h2><pre>x\n y</pre><table><tr><td>1<td>\u00e9"
        "</table><svg><path/></svg>",
        3000});
}

TEST(DocumentFuzzTest, Markdown) {
  fuzz({"a.md",
        "---\ntitle: \"T\"\n---\n# A *b*\n\ntext [l](u) `c` \u4e00\n> ## Q\n> q\n\n- i\n  1. j\n\n"
        "| a | b |\n|---|---|\n| 1 |\n\n<div>\n<h2>h</h2></div>\n\n```rs\n{{#include x}}\nx\n```\n"
        "\nS\n===\n\n[u]: v 'w'\n",
        3000});
}

TEST(DocumentFuzzTest, PlainText) {
  fuzz({"a.txt", "A heading\n\nSome lines of text\nthat are wrap-\nped, \u4e00\n\u4e8c.\n- x\n",
        3000});
}

TEST(DocumentFuzzTest, Jsonl) {
  fuzz({"a.jsonl",
        "{\"text\": \"one \\u00e9 \\ud83d\\ude00\", \"title\": \"T\", \"id\": 1}\n\n"
        "{\"id\": \"x\", \"text\": \"two\", \"more\": {\"a\": [1.5e3, null, true]}}\n",
        2000});
}

TEST(DocumentFuzzTest, Csv) {
  fuzz({"a.csv", "id,text,title\n1,\"a \"\"b\"\",\nc\",T\n2,\u00e9 d,\n", 2000});
}

TEST(DocumentFuzzTest, Gzip) {
  fuzz(
      {"a.txt.gz",
       std::string(
           "\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0", 25) +
           std::string(200, '\0'),
       2000});
}

// A process for each, so few.
TEST(DocumentFuzzTest, Pdf) {
  if (std::system("pdftotext -v >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "there is no pdftotext (poppler-utils)";
  fuzz({"a.pdf",
        "%PDF-1.4\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n2 0 obj <</Type/Pages/Kids[4 0 R]"
        "/Count 1>> endobj\n3 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica>> endobj\n4 0 "
        "obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 5 0 R/Resources<</Font<</F "
        "3 0 R>>>>>> endobj\n5 0 obj <</Length 31>> stream\nBT /F 12 Tf 50 700 Td (x) Tj ET\n"
        "endstream endobj\ntrailer <</Root 1 0 R>>\n%%EOF\n",
        100});
}

}  // namespace
}  // namespace attune
