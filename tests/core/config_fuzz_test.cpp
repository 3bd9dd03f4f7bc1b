// Text that nobody would write: the reader answers with an error or a configuration, never with a
// crash.
#include <chrono>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/config_reader.h"
#include "core/error.h"
#include "core/file.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

struct Anything {
  int number = 1;
  std::string text;
  std::vector<std::string> list;
  struct Inner {
    double real = 1;
    template <class Fields>
    void visit(Fields& f) {
      f.field("real", real, "");
    }
  } inner;
  template <class Fields>
  void visit(Fields& f) {
    f.field("number", number, "");
    f.field("text", text, "");
    f.field("list", list, "");
    f.section("inner", inner, "");
  }
};

bool is_accepted(const std::string& text) {
  try {
    Anything config;
    ConfigDocument::parse(text, "fuzz").read(config);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_TRUE(std::string(error.what()).starts_with("fuzz:")) << error.what();
    return false;
  }
}

TEST(ConfigFuzz, RandomTextNeverCrashes) {
  const std::string good =
      "number: 3\ntext: \"a\\n\\u00e4\"\nlist: [x, 'y', &z z, *z]\ninner:\n  real: 2e-5 # c\n";
  const std::vector<std::string> pieces = {": ",          "- ",
                                           "? ",          "\n",
                                           "\n  ",        "[",
                                           "]",           "{",
                                           "}",           ",",
                                           "\"",          "'",
                                           "|\n",         ">-\n  ",
                                           "&a ",         "*a",
                                           "<<: ",        "!!x ",
                                           "!<t> ",       "! ",
                                           "---\n",       "...\n",
                                           "%YAML 1.2\n", "%TAG ! x\n",
                                           "#",           "\\x",
                                           "\\U",         "~",
                                           "number",      "inner",
                                           "\t",          "\r",
                                           "\xc3",        "\xf0\x9f\x98\x80",
                                           "0",           "1e5",
                                           "@",           "`"};
  std::mt19937 random(3);
  int accepted = 0;
  auto slowest = std::chrono::steady_clock::duration::zero();
  for (int i = 0; i < 20'000; ++i) {
    std::string text = i % 2 == 0 ? good : "";
    for (unsigned change = 0; change <= random() % 12; ++change) {
      const std::size_t at = text.empty() ? 0 : random() % text.size();
      switch (random() % 5) {
        case 0:
          text.insert(at, 1, static_cast<char>(random()));
          break;
        case 1:
          text.erase(at, random() % 4);
          break;
        default:
          text.insert(at, pieces[random() % pieces.size()]);
      }
    }
    const auto start = std::chrono::steady_clock::now();
    if (is_accepted(text)) ++accepted;
    slowest = std::max(slowest, std::chrono::steady_clock::now() - start);
  }
  EXPECT_GT(accepted, 100);
  EXPECT_LT(accepted, 19'000);
  EXPECT_LT(slowest, std::chrono::seconds(1));
}

// Made of one piece again and again: what takes quadratic time would take minutes.
TEST(ConfigFuzz, LongTextsTakeNoLongTime) {
  for (const std::string piece :
       {"a: ",    "- ",  "? ",    "a: b\n", "[a, ", "{a: ",  "\"",         "'",  "&a ",
        "*a ",    "!a ", "# c\n", "\n",     "a\n",  "- a\n", "a,",         ": ", "---\n",
        "%A b\n", "\\",  " ",     "|\n",    "a b ", "\t",    "? a\n: b\n", "[]", "{},"}) {
    std::string text;
    while (text.size() + piece.size() < (1 << 18)) text += piece;
    const auto start = std::chrono::steady_clock::now();
    is_accepted(text);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    EXPECT_LT(taken.count(), 5) << piece;
  }
}

// The YAML test suite in a tar of its own: blocks of 512 bytes, a header before each file.
TEST(ConfigFuzz, TheYamlTestSuiteNeverCrashes) {
  const std::string path = source_path("../shared/data/fixtures_yaml/raw/data-2022-01-17.tar.gz");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "shared/data/fixtures_yaml is not there";
  const std::string tar = read_text_file(path);
  int cases = 0;
  for (std::size_t at = 0; at + 512 <= tar.size() && tar[at] != '\0';) {
    const std::string name = tar.substr(at, 100).c_str();
    const std::size_t size = std::stoull(tar.substr(at + 124, 12).c_str(), nullptr, 8);
    if (name.ends_with("in.yaml")) {
      is_accepted(tar.substr(at + 512, size));
      is_accepted("text: x\nlist:\n" + tar.substr(at + 512, size));
      ++cases;
    }
    at += 512 + (size + 511) / 512 * 512;
  }
  EXPECT_EQ(cases, 402);
}

}  // namespace
}  // namespace attune
