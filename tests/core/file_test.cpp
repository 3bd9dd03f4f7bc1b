#include "core/file.h"

#include <fstream>
#include <random>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/error.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(text.size() + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

template <class Call>
Error error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorKind::kFailed, "no error");
}

class File : public testing::Test {
 protected:
  std::string put(const std::string& name, const std::string& bytes) {
    std::ofstream(scratch / name, std::ios::binary) << bytes;
    return scratch / name;
  }
  Scratch scratch;
};

TEST_F(File, ReadsWhatIsThere) {
  EXPECT_EQ(read_file(put("empty", "")), "");
  const std::string bytes("a\0\xff\r\n", 5);
  EXPECT_EQ(read_file(put("bytes", bytes)), bytes);
  EXPECT_EQ(read_file(put("exact", "12345"), 5), "12345");
}

TEST_F(File, SaysWhatIsWrongWithAPath) {
  const std::string file = put("file", "12345");
  const std::pair<std::string, std::string> cases[] = {
      {scratch / "none", ": there is no such file"},
      {file + "/below", ": there is no such file (a part of the path is a file)"},
      {scratch.path(), ": a directory where a file is expected"},
      {scratch / std::string(300, 'x'), ": cannot open: File name too long"},
  };
  for (const auto& [path, reason] : cases) {
    for (const auto& error :
         {error_of([&] { read_file(path); }), error_of([&] { MappedFile m(path); }),
          error_of([&] { read_text_file(path); })}) {
      EXPECT_EQ(error.what(), path + reason);
      EXPECT_EQ(error.kind(), ErrorKind::kData);
    }
  }
  EXPECT_EQ(error_of([&] { read_file(file, 4); }).what(),
            file + ": larger than the 4 bytes allowed here");
  EXPECT_EQ(error_of([&] { read_file(std::string("a\0b", 3)); }).kind(), ErrorKind::kData);
}

TEST_F(File, PermissionIsAMatterOfTheMachine) {
  const std::string file = put("secret", "x");
  ASSERT_EQ(::chmod(file.c_str(), 0), 0);
  ASSERT_EQ(::chmod(scratch.path().c_str(), 0755), 0);
  const NotRoot somebody;
  const Error error = error_of([&] { read_file(file); });
  EXPECT_EQ(error.what(), file + ": no permission to read it");
  EXPECT_EQ(error.kind(), ErrorKind::kResources);
}

TEST_F(File, AnUnboundedSourceIsCutOff) {
  EXPECT_EQ(error_of([] { read_file("/dev/zero", 1 << 20); }).kind(), ErrorKind::kData);
  EXPECT_EQ(read_file("/dev/null"), "");
  EXPECT_FALSE(read_file("/proc/self/status").empty());
  EXPECT_EQ(error_of([] { MappedFile m("/dev/zero"); }).kind(), ErrorKind::kData);
}

TEST_F(File, DecompressesByNameOrByContents) {
  const std::string text(1'000'000, 'x');
  EXPECT_EQ(read_text_file(put("a.gz", gzip(text))), text);
  EXPECT_EQ(read_text_file(put("a.json", gzip("plain"))), "plain");
  EXPECT_EQ(read_text_file(put("b.json", "plain")), "plain");
  EXPECT_EQ(read_text_file(put("empty.gz", gzip(""))), "");
  EXPECT_EQ(read_text_file(put("two.gz", gzip("one") + gzip("two") + std::string(600, '\0'))),
            "onetwo");
}

TEST_F(File, RefusesDamagedGzip) {
  const std::string whole = gzip("some text that is long enough to be cut");
  for (std::size_t length = 2; length < whole.size(); ++length) {
    const std::string path = put("cut.gz", whole.substr(0, length));
    EXPECT_EQ(error_of([&] { read_text_file(path); }).what(),
              path + ": the gzip data ends too early: the file is cut off")
        << length;
  }
  std::string flipped = whole;
  flipped[flipped.size() - 6] ^= 1;
  EXPECT_EQ(error_of([&] { read_text_file(put("bad.gz", flipped)); }).what(),
            scratch / "bad.gz" + ": damaged gzip data (incorrect data check)");
  EXPECT_EQ(error_of([&] { read_text_file(put("more.gz", whole + "junk")); }).kind(),
            ErrorKind::kData);
  EXPECT_EQ(error_of([&] { read_text_file(put("not.gz", "text")); }).what(),
            scratch / "not.gz" + ": not gzip data, although its name ends in .gz");
}

TEST_F(File, ADecompressionBombStopsAtTheLimit) {
  const std::string bomb = gzip(std::string(10'000'000, '\0'));
  ASSERT_LT(bomb.size(), 50'000u);
  const std::string path = put("bomb.gz", bomb);
  EXPECT_EQ(error_of([&] { read_text_file(path, 1'000'000); }).what(),
            path + " (decompressed): larger than the 1000000 bytes allowed here");
  EXPECT_EQ(read_text_file(path, 10'000'000).size(), 10'000'000u);
}

TEST_F(File, MapsWhatIsThereAndMoves) {
  EXPECT_TRUE(MappedFile(put("empty", "")).bytes().empty());
  MappedFile first(put("first", "abc"));
  MappedFile second(put("second", "de"));
  const auto text = [](const MappedFile& file) {
    return std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  };
  EXPECT_EQ(text(first), "abc");
  first = std::move(second);
  EXPECT_EQ(text(first), "de");
  EXPECT_EQ(first.path(), scratch / "second");
  const MappedFile third(std::move(first));
  EXPECT_EQ(text(third), "de");
  EXPECT_TRUE(first.bytes().empty());
}

TEST(Utf8, FindsTheFirstBadByte) {
  const std::pair<std::string, std::size_t> cases[] = {
      {"", std::string::npos},
      {"plain ascii that is longer than eight bytes", std::string::npos},
      {"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf", std::string::npos},
      {"\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", std::string::npos},
      {"a\x80", 1},             // a continuation without a lead
      {"12345678\xff", 8},      // behind a whole word
      {"abc\xc0\x80", 3},       // overlong
      {"\xc1\xbf", 0},          // overlong
      {"\xe0\x9f\xbf", 0},      // overlong
      {"\xf0\x8f\xbf\xbf", 0},  // overlong
      {"\xed\xa0\x80", 0},      // a surrogate
      {"\xf4\x90\x80\x80", 0},  // beyond U+10FFFF
      {"\xf5\x80\x80\x80", 0},
      {"ab\xe4\xb8", 2},  // cut off
      {"\xf0\x9f\x98", 0},
      {"\xc3(", 0},
  };
  for (const auto& [bytes, expected] : cases)
    EXPECT_EQ(find_invalid_utf8(bytes), expected) << bytes;
}

TEST(Utf8, AgreesWithEncodingEveryCodePoint) {
  std::string all;
  for (unsigned code = 0; code < 0x110000; ++code) {
    if (code >= 0xd800 && code < 0xe000) continue;
    if (code < 0x80) {
      all += static_cast<char>(code);
    } else if (code < 0x800) {
      all += {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
    } else if (code < 0x10000) {
      all += {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 63)),
              static_cast<char>(0x80 | (code & 63))};
    } else {
      all += {static_cast<char>(0xf0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 63)),
              static_cast<char>(0x80 | (code >> 6 & 63)), static_cast<char>(0x80 | (code & 63))};
    }
  }
  EXPECT_EQ(find_invalid_utf8(all), std::string::npos);
}

}  // namespace
}  // namespace attune
