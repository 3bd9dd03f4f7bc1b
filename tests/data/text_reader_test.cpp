#include "data/documents/text_reader.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/file.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

std::string read(std::string_view text) {
  const DocumentContent document = parse_text(text);
  return document.sections.empty() ? "" : document.sections[0].text;
}

TEST(TextReaderTest, ParagraphsBecomeBlocks) {
  EXPECT_EQ(read("one  two\t\n\n\n three \r\n\r\nfour\fmore\n"), "one two\nthree\nfour more");
  EXPECT_TRUE(parse_text("").sections.empty());
  EXPECT_TRUE(parse_text(" \n\xC2\xA0\n\x01").sections.empty());
  EXPECT_TRUE(parse_text("x").title.empty());
}

TEST(TextReaderTest, WrappedLinesAreJoinedAndShortOnesStay) {
  EXPECT_EQ(read("A paragraph that somebody wrapped\nat some thirty characters, as mail\nis, ends "
                 "here.\n"),
            "A paragraph that somebody wrapped at some thirty characters, as mail is, ends here.");
  EXPECT_EQ(read("Heading\nand a line that is much longer than the heading over it\n"),
            "Heading\nand a line that is much longer than the heading over it");
  EXPECT_EQ(read("- an item of a list\n- another one of it\n2. a third one of it\n"),
            "- an item of a list\n- another one of it\n2. a third one of it");
}

TEST(TextReaderTest, ChineseIsJoinedWithoutASpaceAndKoreanWithOne) {
  EXPECT_EQ(read("\u4E00\u4E8C\u4E09\n\u56DB\u4E94\u516D"), "\u4E00\u4E8C\u4E09\u56DB\u4E94\u516D");
  EXPECT_EQ(read("\uAC00\uAC01\uAC02\n\uAC03\uAC04\uAC05"),
            "\uAC00\uAC01\uAC02 \uAC03\uAC04\uAC05");
}

TEST(TextReaderTest, HyphensAreJoinedOnlyWhereAsked) {
  EXPECT_EQ(unwrap_paragraphs("an exam-\nple of it", true), "an example of it");
  EXPECT_EQ(unwrap_paragraphs("an exam-\nple of it", false), "an exam- ple of it");
  EXPECT_EQ(unwrap_paragraphs("the Anglo-\nSaxon 1-\n2 -\ny", true), "the Anglo- Saxon 1- 2 -\ny");
}

TEST(TextReaderTest, ALineOfAHundredMegabytes) {
  std::string line(100'000'000, 'x');
  for (std::size_t i = 0; i < line.size(); i += 100) line[i] = ' ';
  EXPECT_EQ(read(line).size(), 99'999'999u);
}

TEST(TextReaderTest, TheTextOfNewYork) {
  const std::string path = source_path("../shared/data/docs_misc/raw/nyc_text.txt");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "the data sets are not beside the repository";
  const std::string text = read(read_file(path));
  EXPECT_TRUE(
      text.starts_with("New York, often called New York City or NYC, is the most populous"));
  EXPECT_NE(text.find("\n== Etymology ==\nIn 1664, New York was named in honor"), text.npos);
  EXPECT_EQ(text.find("\n\n"), text.npos);
}

}  // namespace
}  // namespace attune
