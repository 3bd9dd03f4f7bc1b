#include "data/csv_reader.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

using Fields = std::vector<std::string>;
using Rows = std::vector<Fields>;

class CsvReaderTest : public testing::Test {
 protected:
  std::string write(const std::string& bytes) const {
    std::ofstream(scratch_ / "a.csv", std::ios::binary) << bytes;
    return scratch_ / "a.csv";
  }
  Rows read(const std::string& bytes, char separator = ',') {
    CsvReader reader(write(bytes), separator);
    Rows rows;
    Fields fields;
    starts_.clear();
    while (reader.next(fields)) {
      rows.push_back(fields);
      starts_.push_back(reader.line_number());
    }
    return rows;
  }
  // The message, and the rows behind the one that is refused.
  std::string refusal(const std::string& bytes, Rows* rest = nullptr) {
    CsvReader reader(write(bytes));
    Fields fields;
    try {
      while (reader.next(fields)) {
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      while (reader.next(fields))
        if (rest != nullptr) rest->push_back(fields);
      return error.what();
    }
    ADD_FAILURE() << "accepted: " << bytes;
    return "";
  }
  Scratch scratch_;
  std::vector<std::int64_t> starts_;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(CsvReaderTest, PlainRows) {
  EXPECT_EQ(read("a,b\r\n\n1,\n,2\n,"), (Rows{{"a", "b"}, {"1", ""}, {"", "2"}, {"", ""}}));
  EXPECT_EQ(starts_, (std::vector<std::int64_t>{1, 3, 4, 5}));
  EXPECT_EQ(read("a,b\tc\n", '\t'), (Rows{{"a,b", "c"}}));
  EXPECT_EQ(read(""), Rows{});
  EXPECT_EQ(read("\xEF\xBB\xBF\"a\",b"), (Rows{{"a", "b"}}));
}

TEST_F(CsvReaderTest, Quotes) {
  EXPECT_EQ(read(R"("a","","b ""c"" d",""""
"x,y",5" disk,"z")"),
            (Rows{{"a", "", "b \"c\" d", "\""}, {"x,y", "5\" disk", "z"}}));
}

TEST_F(CsvReaderTest, LineFeedsInsideQuotesAreKept) {
  EXPECT_EQ(read("\"a\nb\r\n\nc\",d\r\ne,\"f\n\"\n"), (Rows{{"a\nb\r\n\nc", "d"}, {"e", "f\n"}}));
  EXPECT_EQ(starts_, (std::vector<std::int64_t>{1, 5}));
}

TEST_F(CsvReaderTest, RefusedRowsNameTheirLineAndTheNextOnesAreRead) {
  Rows rest;
  EXPECT_TRUE(has(refusal("a,b\n\"x\"y,z\n1,2\n", &rest), ".csv:2: 'y,z' follows a closing quote"));
  EXPECT_EQ(rest, (Rows{{"1", "2"}}));
  rest.clear();
  EXPECT_TRUE(has(refusal("a,b\nc,\"d\ne\n", &rest), "row of line 2 is not closed"));
  EXPECT_EQ(rest, Rows{});
  EXPECT_TRUE(has(refusal("a,b\rc,d\re,f\r"), ".csv:1: a carriage return"));
  EXPECT_TRUE(has(refusal(std::string(5000, ',')), "more than 4096 fields"));
}

TEST_F(CsvReaderTest, AQuoteThatIsNeverClosedTakesNoUnboundedMemory) {
  std::string bytes = "\"";
  for (int i = 0; i < 80; ++i) bytes += std::string(1 << 20, 'x') + "\n";
  EXPECT_TRUE(has(refusal(bytes), "more than 64 MiB"));
}

}  // namespace
}  // namespace attune
