#include "data/documents/row_reader.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

class RowReaderTest : public testing::Test {
 protected:
  using Read = std::vector<Document> (*)(const Document&);

  // "relative|title|id: text" of each document, or what is refused.
  std::vector<std::string> rows(Read read, const std::string& bytes) const {
    std::ofstream(scratch_ / "rows") << bytes;
    std::vector<std::string> lines;
    try {
      for (const Document& one : read({scratch_ / "rows", "rows", 3, {}})) {
        std::string line = one.relative + "|" + one.content.title;
        for (const Section& section : one.content.sections)
          line += "|" + section.anchor + ": " + section.text;
        lines.push_back(line);
        EXPECT_EQ(one.path, scratch_ / "rows");
        EXPECT_EQ(one.root, 3);
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      lines = {error.what()};
    }
    return lines;
  }
  void expect_refused(Read read, const std::string& bytes,
                      const std::vector<std::string>& all) const {
    const std::vector<std::string> lines = rows(read, bytes);
    ASSERT_EQ(lines.size(), 1u);
    for (const std::string& said : all)
      EXPECT_NE(lines[0].find(said), std::string::npos) << said << "\nin " << lines[0];
  }

  const Scratch scratch_;
};

using Lines = std::vector<std::string>;

TEST_F(RowReaderTest, Jsonl) {
  EXPECT_EQ(rows(read_jsonl_documents,
                 "\xEF\xBB\xBF{\"text\": \"one\\n\\ntwo\", \"title\": \"T\", \"id\": \"i\"}\r\n"
                 " \n{\"id\": 7, \"x\": [1], \"text\": \"three\", \"title\": null}\n"
                 "{\"text\": \" \"}"),
            (Lines{"rows:1|T|i: one\ntwo", "rows:3||7: three", "rows:4|"}));
  EXPECT_EQ(rows(read_jsonl_documents, ""), Lines{});
}

TEST_F(RowReaderTest, JsonlRefusesWithTheLine) {
  expect_refused(read_jsonl_documents,
                 "{\"text\": \"good\"}\n{\"title\": \"x\"}\n[1]\n{\"text\": 5}\n{\"text\": \"x\n"
                 "{\"text\": null}\n{\"text\": \"\xFF\"}\n{\"text\": \"x\", \"title\": {}}\n",
                 {"rows: 7 mistakes", "rows:2: there is no \"text\"", "rows:3: array where an",
                  "rows:4: text is of type number", "rows:5:", "rows:6: \"text\" is null",
                  "rows:7:", "rows:8: title is of type object", "documents.exclude"});
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "x\n";
  expect_refused(read_jsonl_documents, many, {"1000 mistakes", "and 980 more"});
  expect_refused(read_jsonl_documents, std::string(200'000, '['), {"rows:1:"});
  expect_refused(read_jsonl_documents, std::string("\x1f\x8b\x08\0", 4), {"1 mistake"});
}

TEST_F(RowReaderTest, Csv) {
  EXPECT_EQ(rows(read_csv_documents,
                 "id,other,text,title\r\n1,x,\"a, \"\"b\"\"\n\nc\",T\r\n\r\n,,d,\r\n"),
            (Lines{"rows:2|T|1: a, \"b\"\nc", "rows:6||: d"}));
  EXPECT_EQ(rows(read_csv_documents, "\xEF\xBB\xBFtext\n"), Lines{});
}

TEST_F(RowReaderTest, CsvRefusesWithTheLine) {
  expect_refused(read_csv_documents, "a,b\nx,y\n", {"rows:1: no column is named text"});
  expect_refused(read_csv_documents, "", {"no column is named text"});
  expect_refused(read_csv_documents, "text,text\nx,y\n", {"rows:1: two columns are named text"});
  expect_refused(read_csv_documents, "id,text\n1,x\n2\n3,\xFF\n4,\"x\"y\n5,z\n6,\"open\n",
                 {"4 mistakes", "line 3: 1 fields, and the first row has 2",
                  "line 4: a field's byte 0 is not UTF-8", "rows:5:", "rows:7:"});
}

}  // namespace
}  // namespace attune
