#include "data/documents/pdf_reader.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "tests/core/scratch.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

// A PDF of these pages, each of lines of text; `more` goes to the trailer. Without a table of
// offsets, which readers make up for.
std::string make_pdf(const std::vector<std::vector<std::string>>& pages,
                     const std::string& more = "") {
  std::string kids, objects;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    std::string content = "BT /F 12 Tf 14 TL 50 700 Td ";
    for (const std::string& line : pages[i]) content += "(" + line + ") Tj T* ";
    content += "ET";
    const std::size_t page = 10 + 2 * i;
    kids += str_cat(page, " 0 R ");
    objects +=
        str_cat(page, " 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents ", page + 1,
                " 0 R/Resources<</Font<</F 3 0 R>>>>>> endobj\n", page + 1, " 0 obj <</Length ",
                content.size(), ">> stream\n", content, "\nendstream endobj\n");
  }
  return str_cat("%PDF-1.4\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n2 0 obj <</Type/Pages/",
                 "Kids[", kids, "]/Count ", pages.size(), ">> endobj\n3 0 obj <</Type/Font/Subtype",
                 "/Type1/BaseFont/Helvetica>> endobj\n", objects, "trailer <</Root 1 0 R", more,
                 ">>\n%%EOF\n");
}

class PdfReaderTest : public testing::Test {
 protected:
  void TearDown() override { ::setenv("PATH", path_.c_str(), 1); }

  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(scratch_ / name) << bytes;
    return scratch_ / name;
  }
  // A program that stands in for pdftotext.
  void pretend(const std::string& script) const {
    const std::string program = write("pdftotext", "#!/bin/sh\n" + script);
    fs::permissions(program, fs::perms::owner_all);
    ::setenv("PATH", (scratch_.path() + ":" + path_).c_str(), 1);
  }
  void expect_refused(const std::string& path, const std::string& said,
                      const PdfLimits& limits = {}, ErrorKind kind = ErrorKind::kData) const {
    try {
      read_pdf(path, limits);
      ADD_FAILURE() << path << " was read";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      EXPECT_NE(std::string(error.what()).find(said), std::string::npos) << error.what();
      EXPECT_TRUE(std::string(error.what()).starts_with(path)) << error.what();
    }
  }
  static bool is_absent() { return std::system("pdftotext -v >/dev/null 2>&1") != 0; }

  const Scratch scratch_;
  const std::string path_ = std::getenv("PATH");
};

TEST_F(PdfReaderTest, APageIsASection) {
  if (is_absent()) GTEST_SKIP() << "there is no pdftotext (poppler-utils)";
  const std::string path =
      write("-a b.pdf", make_pdf({{"A paragraph whose lines are all about equally",
                                   "long and one "
                                   "of whose words is broken at its hy-",
                                   "phen."},
                                  {},
                                  {"Third page"}}));
  const DocumentContent document = read_pdf(path);
  ASSERT_EQ(document.sections.size(), 2u);
  EXPECT_EQ(document.sections[0].text,
            "A paragraph whose lines are all about equally long and one of whose words is broken "
            "at its hyphen.");
  EXPECT_EQ(document.sections[0].page, 1);
  EXPECT_EQ(document.sections[1].text, "Third page");
  EXPECT_EQ(document.sections[1].page, 3);
  EXPECT_TRUE(document.title.empty());
}

TEST_F(PdfReaderTest, ANameThatLooksLikeAnOption) {
  if (is_absent()) GTEST_SKIP() << "there is no pdftotext (poppler-utils)";
  write("-layout.pdf", make_pdf({{"x"}}));
  const fs::path before = fs::current_path();
  fs::current_path(scratch_.path());
  const DocumentContent document = read_pdf("-layout.pdf");
  fs::current_path(before);
  EXPECT_EQ(document.sections.size(), 1u);
}

TEST_F(PdfReaderTest, RefusesWhatPdftotextRefuses) {
  if (is_absent()) GTEST_SKIP() << "there is no pdftotext (poppler-utils)";
  expect_refused(write("no.pdf", "this is not a PDF"), "pdftotext cannot read it: Syntax Error");
  expect_refused(write("empty.pdf", ""), "pdftotext cannot read it: ");
  expect_refused(scratch_ / "absent.pdf", "No such file");
  const std::string key = "<" + std::string(64, '7') + ">";
  expect_refused(write("locked.pdf",
                       make_pdf({{"x"}}, "/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/P -4/O" +
                                             key + "/U" + key + ">>")),
                 "Incorrect password");
}

TEST_F(PdfReaderTest, WithoutPdftotextTheRemedyIsTold) {
  ::setenv("PATH", scratch_.path().c_str(), 1);
  expect_refused("a.pdf", "apt install poppler-utils", {}, ErrorKind::kResources);
}

TEST_F(PdfReaderTest, LimitsOfTimeAndText) {
  using Clock = std::chrono::steady_clock;
  const auto started = Clock::now();
  pretend("exec sleep 60");
  expect_refused("a.pdf", "took longer than 1 s", {.max_seconds = 1});
  pretend("while :; do echo some text; done");
  expect_refused("a.pdf", "more than 100000 bytes of text", {.max_text_bytes = 100000});
  EXPECT_LT(Clock::now() - started, std::chrono::seconds(20));
}

TEST_F(PdfReaderTest, FailuresOfPdftotext) {
  pretend("echo half; echo first >&2; echo the reason >&2; exit 1");
  expect_refused("a.pdf", "pdftotext cannot read it: the reason; repair");
  pretend("exit 99");
  expect_refused("a.pdf", "it does not say why");
  pretend("exit 3");
  expect_refused("a.pdf", "does not allow its text to be copied");
  pretend("kill -9 $$");
  expect_refused("a.pdf", "ended by signal 9");
  pretend("printf '\\377'");
  expect_refused("a.pdf", "byte 0 is not UTF-8");
  pretend(
      "i=0; while [ $i -lt 20000 ]; do echo 'Syntax Warning: odd' >&2; i=$((i+1)); done; "
      "printf 'a\\000b\\f\\f'");
  const DocumentContent document = read_pdf("a.pdf");
  ASSERT_EQ(document.sections.size(), 1u);
  EXPECT_EQ(document.sections[0].text, "a b");
}

TEST_F(PdfReaderTest, TheReportOfUber) {
  const std::string path = source_path("../shared/data/docs_misc/raw/uber_10q_march_2022.pdf");
  if (is_absent()) GTEST_SKIP() << "there is no pdftotext (poppler-utils)";
  if (!fs::exists(path)) GTEST_SKIP() << "the data sets are not beside the repository";
  const DocumentContent document = read_pdf(path);
  ASSERT_GT(document.sections.size(), 60u);
  EXPECT_TRUE(document.sections[0].text.starts_with("UNITED STATES\nSECURITIES AND EXCHANGE"));
  EXPECT_NE(document.sections[0].text.find("during the preceding 12 months (or for such shorter "
                                           "period that the registrant was required to file such "
                                           "reports), and (2) has been subject"),
            std::string::npos);
  for (std::size_t i = 1; i < document.sections.size(); ++i)
    EXPECT_GT(document.sections[i].page, document.sections[i - 1].page);
}

}  // namespace
}  // namespace attune
