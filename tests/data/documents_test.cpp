#include "data/documents/documents.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "data/documents/file_search.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

class DocumentsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/documents_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    write("docs/b.html");
    write("docs/a.HTM");
    write("docs/sub/c.html");
    write("docs/sub/notes.png");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& bytes = "<h1>x</h1>text") const {
    fs::create_directories(fs::path(folder_ + "/" + name).parent_path());
    std::ofstream(folder_ + "/" + name) << bytes;
  }
  std::vector<std::string> read(const std::vector<std::string>& paths,
                                const std::vector<std::string>& exclude = {}) const {
    DocumentsConfig config;
    for (const std::string& path : paths) config.paths.push_back(folder_ + "/" + path);
    config.exclude = exclude;
    std::vector<std::string> names;
    for (const Document& document : read_documents(config, 2).documents)
      names.push_back(str_cat(document.root, " ", document.relative));
    return names;
  }

  std::string folder_;
};

using Names = std::vector<std::string>;

TEST_F(DocumentsTest, FoldersAreSortedAndSearched) {
  EXPECT_EQ(read({"docs"}), (Names{"0 a.HTM", "0 b.html", "0 sub/c.html"}));
  EXPECT_EQ(read({"docs/"}), (Names{"0 a.HTM", "0 b.html", "0 sub/c.html"}));
  EXPECT_EQ(read({"docs/b.html", "docs"}), (Names{"0 b.html", "1 a.HTM", "1 sub/c.html"}));
}

TEST_F(DocumentsTest, LinksAreReadOnce) {
  fs::create_directory_symlink(folder_ + "/docs", folder_ + "/link");
  fs::create_symlink("b.html", folder_ + "/docs/z.html");
  fs::create_symlink("gone.html", folder_ + "/docs/broken.html");
  fs::create_directory_symlink("..", folder_ + "/docs/sub/loop");
  EXPECT_EQ(read({"link", "docs"}), (Names{"0 a.HTM", "0 b.html", "0 sub/c.html"}));
}

TEST_F(DocumentsTest, PatternsExclude) {
  EXPECT_EQ(read({"docs"}, {"sub/*"}), (Names{"0 a.HTM", "0 b.html"}));
  EXPECT_EQ(read({"docs"}, {"c.html"}), (Names{"0 a.HTM", "0 b.html", "0 sub/c.html"}));
  EXPECT_EQ(read({"docs"}, {"*.html"}), (Names{"0 a.HTM"}));
  EXPECT_EQ(read({"docs"}, {folder_ + "/docs/[ab]*"}), (Names{"0 sub/c.html"}));
}

TEST_F(DocumentsTest, EveryKindInAFolderIsReadAndOthersAreCounted) {
  write("docs/c.md", "# C\n\ntext");
  write("docs/d.txt", "text");
  write("docs/e.jsonl", "{\"text\": \"one\"}\n\n{\"text\": \"\"}\n");
  write("docs/f.CSV", "text\none\n");
  write("docs/Makefile", "all:");
  write("docs/.git/config.md", "# hidden");
  write("docs/.hidden.md", "# hidden");
  DocumentsConfig config;
  config.paths = {folder_ + "/docs"};
  config.exclude = {"b.html"};
  const DocumentSet set = read_documents(config, 2);
  std::vector<std::string> names;
  for (const Document& document : set.documents) names.push_back(document.relative);
  EXPECT_EQ(names,
            (Names{"a.HTM", "c.md", "d.txt", "e.jsonl:1", "e.jsonl:3", "f.CSV:2", "sub/c.html"}));
  EXPECT_EQ(set.summary(),
            "7 documents (files: HTML 2, CSV 1, JSONL 1, Markdown 1, plain text 1), 1 of them "
            "without text; 1 files excluded; 2 files of other kinds passed over "
            "((no extension) 1, .png 1)");
  EXPECT_EQ(set.documents[3].path, folder_ + "/docs/e.jsonl");
}

TEST_F(DocumentsTest, Globs) {
  write("docs/c.md");
  write("docs/sub/deep/d.md");
  write("docs/sub/.x/e.md");
  write("docs/[f].md");
  EXPECT_EQ(read({"docs/**/*.md"}), (Names{"0 [f].md", "0 c.md", "0 sub/deep/d.md"}));
  EXPECT_EQ(read({"docs/*.md"}), (Names{"0 [f].md", "0 c.md"}));
  EXPECT_EQ(read({"d*s/s?b/*"}), (Names{"0 docs/sub/c.html"}));
  EXPECT_EQ(read({"docs/[f].md"}), (Names{"0 [f].md"}));  // it is there: no glob
  EXPECT_EQ(read({"*/b.html", "docs/[b]*"}), (Names{"0 docs/b.html"}));
}

TEST_F(DocumentsTest, GzipIsDecompressed) {
  write("docs/z.txt.gz", std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0"
                                     "\x86\xa6\x10\x36\x05\0\0\0",
                                     25));
  write("docs/z.pdf.gz");
  DocumentsConfig config;
  config.paths = {folder_ + "/docs"};
  const DocumentSet set = read_documents(config, 1);
  ASSERT_EQ(set.documents.back().relative, "z.txt.gz");
  EXPECT_EQ(set.documents.back().content.sections[0].text, "hello");
  EXPECT_EQ(set.other_files.at(".gz"), 1);
}

TEST_F(DocumentsTest, EncodingsByMarkDeclarationAndConfiguration) {
  const auto text_of = [&](const std::string& name, const std::string& bytes,
                           const std::string& encoding) {
    write("docs/" + name, bytes);
    DocumentsConfig config;
    config.paths = {folder_ + "/docs/" + name};
    config.encoding = encoding;
    return read_documents(config, 1).documents[0].content.sections.at(0).text;
  };
  EXPECT_EQ(text_of("a.txt",
                    "\xEF\xBB\xBF"
                    "caf\xC3\xA9",
                    "windows-1252"),
            "caf\xC3\xA9");
  EXPECT_EQ(text_of("b.txt",
                    std::string("\xFF\xFE"
                                "c\0\xE9\0",
                                6),
                    ""),
            "c\xC3\xA9");
  EXPECT_EQ(text_of("c.md",
                    std::string("\xFE\xFF"
                                "\0c\0\xE9",
                                6),
                    ""),
            "c\xC3\xA9");
  EXPECT_EQ(text_of("d.html", "<meta charset=ISO-8859-1><p>\x80 caf\xE9", ""),
            "\xE2\x82\xAC caf\xC3\xA9");
  EXPECT_EQ(text_of("e.html",
                    "<!-- charset=x --><meta http-equiv=Content-Type content='text/html; "
                    "Charset=\"shift_jis\"'><p>\x93\xfa",
                    "koi8-r"),
            "\xE6\x97\xA5");
  EXPECT_EQ(text_of("f.txt", "\xC1", "koi8-r"), "\xD0\xB0");
}

TEST_F(DocumentsTest, RefusesByName) {
  const auto refusal = [&](const std::string& path, const Names& exclude = {}) -> std::string {
    try {
      read({path}, exclude);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  const auto expect = [&](const std::string& said, const std::string& expected) {
    EXPECT_NE(said.find(expected), std::string::npos) << said;
  };
  expect(refusal("absent"), "absent is not there");
  expect(refusal("absent/*.md"), "absent is no folder");
  expect(refusal("docs/sub/notes.png"), "notes.png is of a kind that cannot be read; these can: H");
  expect(refusal("docs", {"*"}), "documents.exclude leaves out all 3 files");
  expect(refusal("docs/*.md"), "no document was found among 0 files, searched for HTML (.html");
  fs::create_directories(folder_ + "/empty");
  write("empty/x.png");
  expect(refusal("empty"), "no document was found among 1 files (.png 1), searched for HTML");
  write("docs/bad.html", "<p>\xFF");
  expect(refusal("docs"), "bad.html: byte 3 is not UTF-8; convert the file");
  write("docs/bad.html", "<meta charset=sorry><p>x");
  expect(refusal("docs"), "bad.html: this system's iconv does not know the encoding sorry");
  write("docs/bad.html", "<meta charset=utf-8><p>\xE9");
  expect(refusal("docs"), "bad.html: byte 23 is not UTF-8");
  write("docs/bad.html", std::string("\xFF\xFE"
                                     "a\0\0\xD8"
                                     "b\0",
                                     8));
  expect(refusal("docs"), "bad.html: byte 4 is not UTF-16 LE");
  write("docs/bad.html", std::string("a\0b\0", 4));
  expect(refusal("docs"), "bad.html: character NUL behind 1 bytes of text");
  fs::remove(folder_ + "/docs/bad.html");
  write("docs/cut.txt.gz", "\x1f\x8b\x08");
  expect(refusal("docs"), "cut.txt.gz: the gzip data ends too early");
}

TEST_F(DocumentsTest, AnUnknownEncodingIsAMistakeOfTheConfiguration) {
  DocumentsConfig config;
  try {
    ConfigDocument::parse("paths: [x]\nencoding: sorry\n", "run.yaml").read(config);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_NE(std::string(error.what()).find("run.yaml:2:"), std::string::npos) << error.what();
  }
}

TEST(MatchesGlobTest, NamesAndFolders) {
  EXPECT_TRUE(matches_glob("*.md", "a.md"));
  EXPECT_FALSE(matches_glob("*.md", "x/a.md"));
  EXPECT_TRUE(matches_glob("**", "x/y/a.md"));
  EXPECT_TRUE(matches_glob("**/a?[bc].md", "axb.md"));
  EXPECT_TRUE(matches_glob("x/**/y/*.md", "x/1/2/y/a.md"));
  EXPECT_FALSE(matches_glob("x/**/y/*.md", "x/1/2/a.md"));
  EXPECT_FALSE(matches_glob("x/**/y", "x/y/z"));
}

}  // namespace
}  // namespace attune
