// Lines that nobody would write, through every reader of data sets: no crash, and each row is used,
// skipped, or refused with its line. A short form runs with the other tests; `ctest -L campaign`
// takes ATTUNE_FUZZ_LINES=1000000 lines through each reader (best in a build with sanitizers).
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "data/beir.h"
#include "data/csv_reader.h"
#include "data/dataset_check.h"
#include "data/lines.h"
#include "data/qa_dataset.h"
#include "data/row_reader.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

constexpr std::int64_t kLinesAFile = 200;

std::int64_t lines_to_read() {
  const char* given = std::getenv("ATTUNE_FUZZ_LINES");
  return given != nullptr ? std::atoll(given) : 4000;
}

class ReaderFuzz : public testing::Test {
 protected:
  // A line with up to four changes; now and then none.
  std::string mutate(std::string line) {
    static const std::vector<std::string> kPieces = {"\"",
                                                     "\\",
                                                     "\\u",
                                                     "\\ud800",
                                                     "{",
                                                     "}",
                                                     "[",
                                                     "]",
                                                     ",",
                                                     ":",
                                                     "\t",
                                                     "\r",
                                                     "\"\"",
                                                     "null",
                                                     "1e999",
                                                     "-0",
                                                     "99999999999999999999",
                                                     "\xEF\xBB\xBF",
                                                     "\xc3",
                                                     "\xed\xa0\x80",
                                                     "\xff",
                                                     std::string(1, '\0'),
                                                     "\n",
                                                     "\r\n",
                                                     "\"text\": ",
                                                     "\"_id\": \"d1\"",
                                                     "\"score\": 1",
                                                     "{\"a\":{\"a\":{\"a\":",
                                                     "[[[[[[[[",
                                                     " ",
                                                     "é",
                                                     "日本"};
    for (unsigned change = random_() % 5; change > 0; --change) {
      const std::size_t at = line.empty() ? 0 : random_() % (line.size() + 1);
      switch (random_() % 7) {
        case 0:
          line.insert(at, 1, static_cast<char>(random_()));
          break;
        case 1:
          line.erase(at, random_() % 5);
          break;
        case 2:
          line.resize(at);
          break;
        case 3:
          line.insert(at, line.substr(at / 2, random_() % 40));
          break;
        case 4:
          if (at < line.size()) line[at] = static_cast<char>(line[at] ^ (1 << random_() % 8));
          break;
        default:
          line.insert(at, kPieces[random_() % kPieces.size()]);
      }
    }
    return line;
  }

  // The bytes of a file of about kLinesAFile mutated lines.
  template <class Line>
  std::string mutated_file(const Line& line) {
    std::string bytes;
    for (std::int64_t i = 0; i < kLinesAFile; ++i) bytes += mutate(line(i)) + "\n";
    given_ += kLinesAFile;
    return bytes;
  }

  std::string write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories(std::filesystem::path(scratch_ / name).parent_path());
    std::ofstream(scratch_ / name, std::ios::binary) << bytes;
    return scratch_ / name;
  }

  // Every mistake that a refusal names, stands at a line.
  void expect_places(const std::string& message, const std::string& path) {
    ASSERT_TRUE(message.starts_with(path)) << message;
    if (message.find(" mistake") == std::string::npos) {
      EXPECT_NE(message.find(':', path.size()), std::string::npos) << message;
      return;
    }
    std::int64_t shown = 0;
    for (std::size_t at = 0; (at = message.find("\n  ", at)) != std::string::npos; ++at) {
      const std::string_view rest = std::string_view(message).substr(at + 3);
      if (rest.starts_with("and ")) continue;
      ++shown;
      EXPECT_TRUE(rest.find("line ") < 40 || rest.starts_with(scratch_.path()) ||
                  rest.starts_with("no line for the query") || rest.starts_with("the query"))
          << message;
    }
    EXPECT_GT(shown, 0) << message;
  }

  void TearDown() override {
    std::cout << given_ << " lines: " << used_ << " used, " << skipped_ << " skipped, " << refused_
              << " refused; files: " << good_files_ << " read, " << bad_files_ << " refused\n";
  }

  std::mt19937 random_{11};
  Scratch scratch_;
  std::int64_t given_ = 0, used_ = 0, skipped_ = 0, refused_ = 0;
  std::int64_t good_files_ = 0, bad_files_ = 0;
};

std::string number(std::int64_t i) { return std::to_string(i); }

// Split independently of LineReader.
std::vector<std::string> lines_of(const std::string& bytes) {
  std::vector<std::string> lines;
  std::istringstream in(bytes);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_F(ReaderFuzz, Lines) {
  while (given_ < lines_to_read()) {
    const std::string bytes = mutated_file([](std::int64_t i) { return "a line " + number(i); });
    std::vector<std::string> expected = lines_of(bytes);
    if (bytes.starts_with("\xEF\xBB\xBF")) expected[0].erase(0, 3);
    LineReader reader(write("lines.txt", bytes));
    std::string_view line;
    for (const std::string& wanted : expected) {
      ASSERT_TRUE(reader.next(line));
      ASSERT_EQ(str_cat(line, reader.line_end() == "\r\n" ? "\r" : ""), wanted);
      ++used_;
    }
    ASSERT_FALSE(reader.next(line));
    ASSERT_EQ(reader.line_number(), std::ssize(expected));
  }
}

TEST_F(ReaderFuzz, GzipLines) {
  const std::string plain = scratch_ / "plain.gz";
  while (given_ < lines_to_read()) {
    const std::string text = mutated_file([](std::int64_t i) { return number(i * 7919); });
    gzFile file = gzopen(plain.c_str(), "wb1");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
    const std::string path = write("damaged.gz", mutate(read_file(plain)));
    try {
      LineReader reader(path);
      for (std::string_view line; reader.next(line);) ++used_;
      ++good_files_;
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::kData) << error.what();
      ASSERT_TRUE(std::string(error.what()).starts_with(path)) << error.what();
      ++bad_files_;
    }
  }
  EXPECT_GT(bad_files_, 0);
}

TEST_F(ReaderFuzz, JsonLinesTable) {
  while (given_ < lines_to_read()) {
    std::string bytes = "{\"query\": \"q\", \"positive\": \"p\", \"score\": 0.5}\n";
    bytes += mutated_file([](std::int64_t i) {
      return R"({"query": "what is )" + number(i) + R"(?", "positive": "it is \u00e9", "score": )" +
             number(i) + ".5}";
    });
    RowReader reader(write("rows.jsonl", bytes));
    Row row;
    std::int64_t line_number = 0;
    for (const std::string& line : lines_of(bytes)) {
      ++line_number;
      if (line.find_first_not_of(" \t\r") == std::string::npos) {
        ++skipped_;
        continue;
      }
      const RowReader::State state = reader.next(row);
      ASSERT_NE(state, RowReader::State::kEnd);
      ASSERT_EQ(reader.line_number(), line_number);
      if (state == RowReader::State::kRow) {
        ASSERT_EQ(row.texts.size(), 2u);
        ASSERT_EQ(find_invalid_utf8(row.texts[0] + row.texts[1]), std::string::npos);
        ++used_;
      } else {
        ASSERT_TRUE(reader.refusal().starts_with("line " + number(line_number) + ":"))
            << reader.refusal();
        ++refused_;
      }
    }
    ASSERT_EQ(reader.next(row), RowReader::State::kEnd);
  }
  EXPECT_GT(used_, 0);
  EXPECT_GT(refused_, 0);
}

TEST_F(ReaderFuzz, Csv) {
  for (const char separator : {',', '\t'}) {
    for (std::int64_t begin = given_; given_ < begin + lines_to_read() / 2;) {
      std::string bytes = separator == ',' ? "query,positive,label\n" : "query\tpositive\tlabel\n";
      bytes += mutated_file([&](std::int64_t i) {
        const std::string text = i % 3 == 0 ? "\"a \"\"quoted\"\", text\"" : "text " + number(i);
        return "query " + number(i) + separator + text + separator + number(i % 2);
      });
      const std::string path = write(separator == ',' ? "rows.csv" : "rows.tsv", bytes);
      const std::int64_t lines = std::ssize(lines_of(bytes));
      const bool has_quotes = bytes.find('"') != std::string::npos;
      RowReader reader(path);
      Row row;
      std::int64_t last = 1, rows = 0;
      for (auto state = reader.next(row); state != RowReader::State::kEnd;
           state = reader.next(row)) {
        ++rows;
        ASSERT_GT(reader.line_number(), last);
        ASSERT_LE(reader.line_number(), lines);
        last = reader.line_number();
        if (state == RowReader::State::kRow) {
          ASSERT_EQ(row.texts.size(), 2u);
          ++used_;
        } else {
          ASSERT_TRUE(reader.refusal().starts_with("line " + number(last) + ":") ||
                      reader.refusal().starts_with(path + ":"))
              << reader.refusal();
          ++refused_;
        }
      }
      ASSERT_TRUE(has_quotes || rows == lines - 1);
    }
  }
  EXPECT_GT(used_, 0);
  EXPECT_GT(refused_, 0);
}

// Without quotes a line is a row: each is counted.
TEST_F(ReaderFuzz, CsvRowsWithoutQuotesAreLines) {
  while (given_ < lines_to_read()) {
    std::string bytes = "query,positive\n";
    bytes += mutated_file([](std::int64_t i) { return "query " + number(i) + ",text"; });
    std::erase(bytes, '"');
    const std::vector<std::string> lines = lines_of(bytes);
    const auto is_blank = [](const std::string& line) { return line.empty() || line == "\r"; };
    const std::int64_t blank = std::count_if(lines.begin(), lines.end(), is_blank);
    const DatasetSummary summary = summarize_dataset(write("rows.csv", bytes));
    std::int64_t skipped = 0;
    for (const auto& [why, count] : summary.rows.skipped) skipped += count;
    ASSERT_EQ(summary.rows.used + summary.rows.refused + skipped, std::ssize(lines) - 1 - blank);
    used_ += summary.rows.used;
    refused_ += summary.rows.refused;
    skipped_ += skipped + blank;
  }
}

TEST_F(ReaderFuzz, LlamaIndexJson) {
  EmbeddingQAFinetuneDataset dataset;
  for (std::int64_t i = 0; i < 40; ++i) {
    dataset.queries.add("q" + number(i), "query " + number(i));
    dataset.corpus.add("d" + number(i), "text \"é\" " + number(i));
    dataset.relevant_docs.push_back({i});
  }
  const std::vector<std::string> lines = lines_of(dataset.to_json());
  while (given_ < lines_to_read()) {
    std::string bytes;
    // Many changes and few: one wrong byte of syntax ends the reading of such a file.
    const unsigned one_in = 1u << random_() % 9;
    for (const std::string& line : lines)
      bytes += (random_() % one_in == 0 ? mutate(line) : line) + "\n";
    given_ += std::ssize(lines);
    const std::string path = write("set.json", bytes);
    try {
      used_ += EmbeddingQAFinetuneDataset::from_json(path).queries.size();
      ++good_files_;
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::kData) << error.what();
      ASSERT_TRUE(std::string(error.what()).starts_with(path)) << error.what();
      ++bad_files_;
    }
  }
  EXPECT_GT(good_files_, 0);
  EXPECT_GT(bad_files_, 0);
}

TEST_F(ReaderFuzz, Beir) {
  while (given_ < lines_to_read()) {
    const int which = static_cast<int>(random_() % 3);
    const unsigned one_in = 1u << random_() % 9;
    const auto maybe = [&](int file, std::string line) {
      ++given_;
      return (file == which && random_() % one_in == 0 ? mutate(std::move(line)) : line) + "\n";
    };
    std::string corpus, queries, qrels = "query-id\tcorpus-id\tscore\n";
    for (std::int64_t i = 0; i < kLinesAFile; ++i) {
      corpus += maybe(0, R"({"_id": "d)" + number(i) + R"(", "title": "t", "text": "x é"})");
      queries += maybe(1, R"({"_id": "q)" + number(i) + R"(", "text": "x", "metadata": {}})");
      qrels += maybe(2, "q" + number(i) + "\td" + number(i) + "\t" + number(i % 3));
    }
    write("beir/corpus.jsonl", corpus);
    write("beir/queries.jsonl", queries);
    write("beir/qrels/test.tsv", qrels);
    const std::string path = scratch_ / "beir";
    try {
      const RowCounts counts = read_beir(path).counts;
      ASSERT_EQ(counts.refused, 0);
      used_ += counts.used;
      for (const auto& [why, count] : counts.skipped) skipped_ += count;
      ++good_files_;
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::kData) << error.what();
      expect_places(error.what(), path);
      ++bad_files_;
    }
  }
  EXPECT_GT(good_files_, 0);
  EXPECT_GT(bad_files_, 0);
}

TEST_F(ReaderFuzz, Negatives) {
  EmbeddingQAFinetuneDataset dataset;
  for (std::int64_t i = 0; i < kLinesAFile; ++i) {
    dataset.queries.add("q" + number(i), "query");
    dataset.corpus.add("d" + number(i), "text");
    dataset.relevant_docs.push_back({i});
  }
  while (given_ < lines_to_read()) {
    const unsigned one_in = 1u << random_() % 9;
    std::string bytes;
    for (std::int64_t i = 0; i < kLinesAFile; ++i) {
      const std::string line = R"({"query_id": "q)" + number(i) + R"(", "negatives": ["d)" +
                               number((i + 1) % kLinesAFile) + R"(", "d)" +
                               number((i + 2) % kLinesAFile) + R"("]})";
      bytes += (random_() % one_in == 0 ? mutate(line) : line) + "\n";
      ++given_;
    }
    const std::string path = write("negatives.jsonl", bytes);
    try {
      used_ += make_training_rows(dataset, true, path).num_rows();
      ++good_files_;
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::kData) << error.what();
      expect_places(error.what(), path);
      ++bad_files_;
    }
  }
  EXPECT_GT(good_files_, 0);
  EXPECT_GT(bad_files_, 0);
}

}  // namespace
}  // namespace attune
