// Files that nobody would write, as tokenizer.json: no crash, and each is refused as Error{kData}
// or gives ids of its vocabulary for any text. A short form runs with the other tests; `ctest -L
// campaign` tries ATTUNE_FUZZ_LINES / 40 files (best in a build with sanitizers).
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "data/tokenizers/json_tokenizer.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

const Json& kinds() {
  static const Json file = read_json_file(source_path("tests/fixtures/tokenizer/kinds.json"));
  return file;
}

class TokenizerFuzz : public testing::Test {
 protected:
  static std::int64_t files_to_read() {
    const char* given = std::getenv("ATTUNE_FUZZ_LINES");
    return given != nullptr ? std::atoll(given) / 40 : 150;
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  // A trained kind, or one of those that show cuts.
  Json good_file() {
    const Json& trained = kinds().at("trained");
    if (below(2) == 0) return trained[below(trained.size())].at("tokenizer");
    const Json& shown = kinds().at("shown")[below(kinds().at("shown").size())];
    Json file = kinds().at("shell");
    file["normalizer"] = shown.at("normalizer");
    file["pre_tokenizer"] = shown.at("pre_tokenizer");
    return file;
  }

  // Another value for one of the values below, at any depth, but vocabularies seldom.
  void change_value(Json& value) {
    static const std::vector<Json> kValues = {nullptr,
                                              true,
                                              0,
                                              -1,
                                              1e300,
                                              16777216,
                                              "",
                                              "a",
                                              "\\p{L}+",
                                              "(?i:ss)",
                                              "##",
                                              "\u2581",
                                              "[a-",
                                              "((((((((",
                                              "a{1000}",
                                              Json::array(),
                                              Json::object(),
                                              {"a", "b"},
                                              {{"type", "NFC"}},
                                              {{"type", "ByteLevel"}, {"add_prefix_space", true}},
                                              {{"Regex", "\\s+"}},
                                              {{"String", " "}}};
    static const std::vector<std::string> kTexts = {"Removed",
                                                    "Contiguous",
                                                    "MergedWithNext",
                                                    "MergedWithPrevious",
                                                    "first",
                                                    "never",
                                                    "a b",
                                                    "\\w+|[^\\w\\s]",
                                                    "[\\p{L}&&[^a-f]]{2,4}",
                                                    "(?i:'s|t)| ?\\S+",
                                                    "\\s+(?!\\S)",
                                                    "<unk>",
                                                    ""};
    if (value.is_boolean() && below(4) > 0) {
      value = !value.get<bool>();
      return;
    }
    if (value.is_string() && below(4) > 0) {
      value = kTexts[below(kTexts.size())];
      return;
    }
    if (value.is_number() && below(4) > 0) {
      value = below(600);
      return;
    }
    if (!value.is_structured() || value.empty() || below(20) == 0) {
      value = kValues[below(kValues.size())];
      return;
    }
    auto member = value.begin();
    std::advance(member, static_cast<std::ptrdiff_t>(below(value.size())));
    if (below(12) == 0) {
      value.erase(member);
    } else {
      change_value(*member);
    }
  }

  std::string change_bytes(std::string text) {
    static const std::vector<std::string> kPieces = {
        "null",   "-1",      "\"\"", "[]",     "{}",     "true", "18446744073709551615",
        "\xff",   "\\ud800", "+",    "*",      "(?:",    "&&",   "[^",
        "\\\\p{", "{2,3}",   "|",    "<0x00>", "\\u2581"};
    const std::size_t at = below(text.size());
    switch (below(4)) {
      case 0:
        text[at] = static_cast<char>(random_());
        break;
      case 1:
        text.erase(at, 1 + below(8));
        break;
      case 2:
        text.insert(at, kPieces[below(kPieces.size())]);
        break;
      default:
        text.insert(at, text.substr(below(text.size()), below(40)));
    }
    return text;
  }

  // Bytes that are UTF-8 most of the time.
  std::string random_text() {
    const Json& texts = kinds().at("texts");
    std::string text = texts[below(texts.size())].get<std::string>();
    if (below(3) == 0) text += texts[below(texts.size())].get<std::string>();
    if (below(8) == 0 && !text.empty()) text[below(text.size())] = static_cast<char>(random_());
    return text;
  }

  void try_file(const std::string& bytes) {
    try {
      const Json file = parse_json(bytes, "t.json");
      const JsonTokenizer tokenizer(file, "t.json");
      ++read_;
      for (int i = 0; i < 6; ++i) {
        std::vector<std::int32_t> ids;
        try {
          tokenizer.encode(i % 2 == 0 ? "" : "query: ", random_text(), 100, ids);
        } catch (const Error& error) {
          ASSERT_TRUE(error.kind() == ErrorKind::kData || error.kind() == ErrorKind::kConfig)
              << error.what();
          continue;
        }
        ASSERT_LE(ids.size(), 100u);
        for (const std::int32_t id : ids) {
          ASSERT_GE(id, 0);
          ASSERT_LT(id, tokenizer.vocabulary_size());
        }
      }
    } catch (const Error& error) {
      ++refused_;
      ASSERT_EQ(error.kind(), ErrorKind::kData) << error.what();
      ASSERT_TRUE(std::string(error.what()).starts_with("t.json")) << error.what();
    }
  }

  void TearDown() override {
    std::cout << read_ << " files read, " << refused_ << " refused\n";
    EXPECT_GT(read_, 0);
    EXPECT_GT(refused_, 0);
  }

  std::mt19937 random_{5};
  std::int64_t read_ = 0, refused_ = 0;
};

TEST_F(TokenizerFuzz, ChangedValues) {
  for (std::int64_t i = 0; i < files_to_read() && !HasFatalFailure(); ++i) {
    Json file = good_file();
    // The sections that are small have more to say than the vocabulary.
    static const std::vector<std::string> kSections = {"normalizer", "pre_tokenizer",
                                                       "post_processor", "added_tokens", "model"};
    for (std::size_t n = below(2); n < 2; ++n) change_value(file[kSections[below(5)]]);
    try_file(file.dump());
  }
}

TEST_F(TokenizerFuzz, ChangedBytes) {
  for (std::int64_t i = 0; i < files_to_read() && !HasFatalFailure(); ++i) {
    Json file = good_file();
    if (below(2) == 0) {  // a small vocabulary: more changes fall on what stands around it
      file["model"]["merges"] = Json::array();
      file["added_tokens"] = Json::array();
      file["post_processor"] = nullptr;
      file["model"]["vocab"] = {{"a", 0}, {"##a", 1}, {"\u2581", 2}, {"e", 3}};
    }
    std::string bytes = file.dump();
    for (std::size_t n = below(2); n < 2; ++n) bytes = change_bytes(bytes);
    try_file(bytes);
  }
}

}  // namespace
}  // namespace attune
