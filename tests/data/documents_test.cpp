#include "data/documents/documents.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"

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
    write("docs/sub/notes.txt");
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
    for (const Document& document : read_documents(config, 2))
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

TEST_F(DocumentsTest, RefusesByName) {
  const auto refusal = [&](const std::string& path) -> std::string {
    try {
      read({path});
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_NE(refusal("absent").find("absent is not there"), std::string::npos);
  EXPECT_NE(refusal("docs/sub/notes.txt").find("notes.txt is neither"), std::string::npos);
  write("docs/bad.html", "<p>\xFF");
  EXPECT_NE(refusal("docs").find("bad.html: byte 3"), std::string::npos);
}

TEST_F(DocumentsTest, AnEmptyFolderHasNoDocuments) {
  fs::create_directories(folder_ + "/empty");
  EXPECT_TRUE(read({"empty"}).empty());
}

}  // namespace
}  // namespace attune
