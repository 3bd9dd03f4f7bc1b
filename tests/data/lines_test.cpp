#include "data/lines.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

class LinesTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(scratch_ / name, std::ios::binary) << bytes;
    return scratch_ / name;
  }
  std::string write_gzip(const std::string& name, const std::string& bytes,
                         const char* mode = "wb") const {
    gzFile file = gzopen((scratch_ / name).c_str(), mode);
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    return scratch_ / name;
  }
  static std::vector<std::string> read(const std::string& path) {
    LineReader reader(path);
    std::vector<std::string> lines;
    std::string_view line;
    while (reader.next(line)) {
      lines.emplace_back(line);
      EXPECT_EQ(reader.line_number(), std::ssize(lines));
    }
    EXPECT_FALSE(reader.next(line));
    return lines;
  }
  static std::string refusal(const std::string& path) {
    try {
      read(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
      EXPECT_TRUE(std::string(error.what()).starts_with(path)) << error.what();
      return error.what();
    }
    return "";
  }
  Scratch scratch_;
};

using Lines = std::vector<std::string>;

TEST_F(LinesTest, EndsOfLinesAndOfTheFile) {
  EXPECT_EQ(read(write("a", "one\ntwo\r\n\n\r\nlast")), (Lines{"one", "two", "", "", "last"}));
  EXPECT_EQ(read(write("a", "\xEF\xBB\xBFone\n\xEF\xBB\xBFtwo\n")),
            (Lines{"one", "\xEF\xBB\xBFtwo"}));
  EXPECT_EQ(read(write("a", "")), Lines{});
  EXPECT_EQ(read(write("a", "\n")), Lines{""});
  EXPECT_EQ(read(write("a", "lone\rreturn\n\r")), (Lines{"lone\rreturn", "\r"}));
  EXPECT_EQ(read(write("a", std::string("nul\0in\n", 7))), Lines{std::string("nul\0in", 6)});
}

TEST_F(LinesTest, LineEndIsTold) {
  LineReader reader(write("a", "x\r\ny\nz"));
  std::string_view line;
  Lines ends;
  while (reader.next(line)) ends.emplace_back(reader.line_end());
  EXPECT_EQ(ends, (Lines{"\r\n", "\n", ""}));
}

TEST_F(LinesTest, LinesAcrossPiecesOfTheFile) {
  Lines expected;
  std::string bytes;
  for (std::size_t i = 0; i < 60; ++i) {
    expected.push_back(std::string(i * 17'001 % 600'000, static_cast<char>('a' + i % 26)));
    bytes += expected.back() + (i % 2 == 0 ? "\n" : "\r\n");
  }
  EXPECT_EQ(read(write("a", bytes)), expected);
  EXPECT_EQ(read(write_gzip("a.gz", bytes)), expected);
  EXPECT_EQ(read(write_gzip("gzip-by-its-bytes", bytes)), expected);
}

TEST_F(LinesTest, GzipMembersOneAfterTheOther) {
  write_gzip("a.gz", "one\ntw");
  EXPECT_EQ(read(write_gzip("a.gz", "o\n", "ab")), (Lines{"one", "two"}));
}

TEST_F(LinesTest, DamagedGzipIsRefusedWhereItIs) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i * 7919 % 100'003) + "\n";
  const std::string bytes = read_file(write_gzip("whole.gz", text));
  EXPECT_NE(refusal(write("cut.gz", bytes.substr(0, bytes.size() / 2))).find("cut off"),
            std::string::npos);
  std::string damaged = bytes;
  damaged[damaged.size() / 2] ^= 0x55;
  EXPECT_NE(refusal(write("bad.gz", damaged)).find("damaged gzip"), std::string::npos);
  damaged = bytes;
  damaged[damaged.size() - 6] ^= 1;  // of the check sum
  EXPECT_NE(refusal(write("sum.gz", damaged)).find("damaged gzip"), std::string::npos);
  EXPECT_NE(refusal(write("plain.gz", "text\n")).find("not gzip"), std::string::npos);
}

TEST_F(LinesTest, WhatCannotBeRead) {
  EXPECT_NE(refusal(scratch_ / "absent").find("no such file"), std::string::npos);
  EXPECT_NE(refusal(scratch_.path()).find("a directory"), std::string::npos);
}

TEST_F(LinesTest, TooLongALineIsRefusedWithoutReadingAllOfIt) {
  const std::string path = scratch_ / "bomb.gz";
  gzFile file = gzopen(path.c_str(), "wb1");
  gzwrite(file, "short\n", 6);
  const std::string piece(std::size_t{1} << 20, 'x');
  for (int i = 0; i < 512; ++i) gzwrite(file, piece.data(), static_cast<unsigned>(piece.size()));
  gzclose(file);
  const std::int64_t before = peak_resident_memory();
  EXPECT_NE(refusal(path).find(":2: a line of more than 64 MiB"), std::string::npos);
  EXPECT_LT(peak_resident_memory() - before, std::int64_t{420} << 20);
}

}  // namespace
}  // namespace attune
