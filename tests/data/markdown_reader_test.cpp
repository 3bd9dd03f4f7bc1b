#include "data/documents/markdown_reader.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/error.h"
#include "core/file.h"
#include "core/parallel.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

using Lines = std::vector<std::string>;

// "a > b: text" for each section.
Lines outline(const DocumentContent& document) {
  Lines lines;
  for (const Section& section : document.sections) {
    std::string line;
    for (const std::string& heading : section.path) line += (line.empty() ? "" : " > ") + heading;
    lines.push_back(line + ": " + section.text);
  }
  return lines;
}

Lines outline(std::string_view text) { return outline(parse_markdown(text, "page.md")); }

TEST(MarkdownReaderTest, HeadingsNest) {
  EXPECT_EQ(
      outline("before\n# A #\none\n\n## B\ntwo\n\nC\n-\nthree\n### D\nfour\n\nE\n=\nfive"),
      (Lines{": before", "A: one", "A > B: two", "A > C: three", "A > C > D: four", "E: five"}));
  EXPECT_EQ(outline("# A\n#\ntext"), (Lines{"A: text"}));  // a heading without text is none
}

TEST(MarkdownReaderTest, InlineMarkupBecomesItsText) {
  EXPECT_EQ(outline("# A *b* `c`\nx **y**z [link](to \"t\")\nline ![alt _text_](i.png) "
                    "<kbd>k</kbd> &amp; \\* <https://u>\\\nhard<br>z"),
            (Lines{"A b c: x yz link line alt text k & * https://u\nhard z"}));
}

TEST(MarkdownReaderTest, BlocksAreLines) {
  EXPECT_EQ(outline("p\n\n- a\n- b\n\n  more\n  1. c\n\n> q\n> r\n\n---\n\n```rust\nfn main() {\n"
                    "    x;\n}\n```\n\n    code\n"),
            (Lines{": p\na\nb\nmore\nc\nq r\nfn main() {\nx;\n}\ncode"}));
  EXPECT_EQ(outline("| a | *b* |\n|---|---|\n| c |\n| d | e |\n\nend"),
            (Lines{": a b\nc\nd e\nend"}));
}

TEST(MarkdownReaderTest, HeadingsInAQuotationEndWithIt) {
  EXPECT_EQ(outline("# A\n## B\nb\n> ### C\n> c\n> # D\n> d\n\nback\n## E\ne"),
            (Lines{"A: ", "A > B: b\nback", "A > B > C: c", "A > B > D: d", "A > E: e"}));
}

TEST(MarkdownReaderTest, HtmlIsReadAsHtml) {
  EXPECT_EQ(outline("<h1 align=center>T <b>x</b></h1>\n\n<!-- c -->\n<Listing number=\"1\">\n\n"
                    "text\n\n</Listing>\n\n<script>s()\n\ns()</script>\n\n<table><tr><td>a<td>b\n"
                    "</table>\n\n## U\nu"),
            (Lines{"T x: text\na b", "T x > U: u"}));
}

TEST(MarkdownReaderTest, TitlesAndFrontMatter) {
  const DocumentContent document =
      parse_markdown("---\r\nlayout: x\r\ntitle: \"The: title\"\r\n---\r\n# Heading\ntext", "p");
  EXPECT_EQ(document.title, "The: title");
  EXPECT_EQ(outline(document), (Lines{"Heading: text"}));
  EXPECT_EQ(parse_markdown("---\na: b\n...\n## H *x*\n# I", "p").title, "H x");
  EXPECT_EQ(outline("---\nno end\n"), (Lines{": no end"}));
  EXPECT_EQ(outline("---"), Lines{});
  EXPECT_EQ(parse_markdown("text", "p").title, "");
  EXPECT_EQ(outline(""), Lines{});
}

TEST(MarkdownReaderTest, DirectivesOfMdbookAreLeftOut) {
  EXPECT_EQ(outline("a\n\n```rust\n{{#rustdoc_include ../l/main.rs:here}}\nlet x;\n```\n"
                    "{{#quiz ../q.toml}}\nb {{#include x}} c"),
            (Lines{": a\nlet x;\nb {{#include x}} c"}));
}

TEST(MarkdownReaderTest, RefusesTablesThatGrow) {
  std::string table = "|a|\n|";
  for (int i = 0; i < 5000; ++i) table += "-|";
  table[0] = '|';
  std::string header = "|";
  for (int i = 0; i < 5000; ++i) header += "a|";
  table = header + table.substr(3) + "\n";
  const std::string small = table + "x\nx\n";
  EXPECT_NO_THROW(parse_markdown(small, "wide.md"));
  for (int i = 0; i < 1000; ++i) table += "x\n";
  try {
    parse_markdown(table, "wide.md");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_NE(std::string(error.what()).find("wide.md:401: tables of more than"), std::string::npos)
        << error.what();
  }
}

TEST(MarkdownReaderTest, DeepAndLongIsNoTrouble) {
  const auto repeat = [](const std::string& piece, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += piece;
    return all;
  };
  for (const char* piece : {">", "- ", "1. ", "[", "![", "*a ", "**a _b ", "`a``b", "<div>\n\n",
                            "# a\n", "a|b\n-|-\n", "[a]: b\n", "&", "\\", "<!--"})
    EXPECT_NO_THROW(parse_markdown(repeat(piece, 20000), "p")) << piece;
  EXPECT_THROW(parse_markdown(repeat("<div>", 20000), "p"), Error);
}

TEST(MarkdownReaderTest, ManyThreadsReadTheSame) {
  const std::string text = "# A\n\n| a | ~~b~~ |\n|-|-|\n| *c* | d |\n\n- [x] _e_\n";
  const Lines expected = outline(text);
  std::vector<Lines> read(400);
  parallel_for(400, 8, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) read[i] = outline(text);
  });
  for (const Lines& lines : read) EXPECT_EQ(lines, expected);
}

TEST(MarkdownReaderTest, TheRustBook) {
  const std::string folder = source_path("../shared/data/docs_rustbook/raw/src");
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << "the data sets are not beside the repository";
  const std::string path = folder + "/ch04-01-what-is-ownership.md";
  const DocumentContent document = parse_markdown(read_file(path), path);
  EXPECT_EQ(document.title, "What Is Ownership?");
  ASSERT_GE(document.sections.size(), 3u);
  EXPECT_EQ(document.sections[0].path, (Lines{"What Is Ownership?"}));
  EXPECT_TRUE(document.sections[0].text.starts_with("Ownership is a set of rules that govern how"));
  EXPECT_EQ(document.sections[1].path, (Lines{"What Is Ownership?", "The Stack and the Heap"}));
  EXPECT_EQ(document.sections[2].path, (Lines{"What Is Ownership?", "Ownership Rules"}));
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string page = entry.path();
    for (const Section& section : parse_markdown(read_file(page), page).sections) {
      EXPECT_EQ(section.text.find("{{#"), std::string::npos) << page;
      EXPECT_EQ(section.text.find("<Listing"), std::string::npos) << page;
    }
    ++files;
  }
  EXPECT_EQ(files, 112);
}

}  // namespace
}  // namespace attune
