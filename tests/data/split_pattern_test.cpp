#include "data/tokenizers/split_pattern.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"

namespace attune {
namespace {

// The stretches of the text, those that do not match in brackets.
std::string cut(const SplitPattern& pattern, std::string_view text) {
  std::string out;
  PatternMatches matches(pattern, text);
  for (PatternMatches::Stretch stretch; matches.next(stretch);) {
    const std::string piece(text.substr(stretch.begin, stretch.end - stretch.begin));
    out += (out.empty() ? "" : "|") + (stretch.matches ? piece : "[" + piece + "]");
  }
  return out;
}
std::string cut(std::string_view pattern, std::string_view text) {
  return cut(SplitPattern(pattern, "t.json"), text);
}

TEST(SplitPattern, MatchesLeftmostAndTheFirstAlternative) {
  EXPECT_EQ(cut("a|ab", "xabab"), "[x]|a|[b]|a|[b]");
  EXPECT_EQ(cut("ab|a", "xaba"), "[x]|ab|a");
  EXPECT_EQ(cut(R"(\s+(?!\S)|\s+)", "a   b  "), "[a]|  | |[b]|  ");
  EXPECT_EQ(cut(R"(\p{N}{1,3})", "12345"), "123|45");
  EXPECT_EQ(cut("a", ""), "");
}

TEST(SplitPattern, Repeats) {
  EXPECT_EQ(cut("a+?", "aa"), "a|a");
  EXPECT_EQ(cut("a*?b", "aab"), "aab");
  EXPECT_EQ(cut("a++b", "aab"), "aab");
  EXPECT_EQ(cut("a++ab|b", "aab"), "[aa]|b");  // what is possessed is not given back
  EXPECT_EQ(cut("(?>a|ab)c|b", "abc"), "[a]|b|[c]");
  EXPECT_EQ(cut("(?:ab){2}", "ababab"), "abab|[ab]");
  EXPECT_EQ(cut("(ab|c){1,2}?d", "abcd"), "abcd");
  EXPECT_EQ(cut("a{2,}", "aaaba"), "aaa|[ba]");
}

TEST(SplitPattern, Sets) {
  EXPECT_EQ(cut(R"([^\s\p{L}])", "a1 b"), "[a]|1|[ b]");
  EXPECT_EQ(cut("[a-cx-]+", "ab-xd"), "ab-x|[d]");
  EXPECT_EQ(cut(R"([\w&&[^\d_]]+)", "ab1_c"), "ab|[1_]|c");
  EXPECT_EQ(cut(R"([^a&&[ab]]+)", "abc"), "[a]|bc");  // all but what is in both
  EXPECT_EQ(cut(".", "\n\xc3\xa9"), "[\n]|\xc3\xa9");
  EXPECT_EQ(cut("[\xe4\xb8\x80-\xe9\xbe\xa5]+", "x\xe4\xb8\x96\xe7\x95\x8c"),
            "[x]|\xe4\xb8\x96\xe7\x95\x8c");
  EXPECT_EQ(cut("(?i:'s)", "'S'\xc5\xbf"), "'S|'\xc5\xbf");  // the long s
}

// Oniguruma has two ideas of a word character in Latin-1.
TEST(SplitPattern, AWordCharacterInASetIsNoFraction) {
  EXPECT_EQ(cut(R"(\w+)", "a\xc2\xb2-"), "a\xc2\xb2|[-]");
  EXPECT_EQ(cut(R"([\w]+)", "a\xc2\xb2-"), "a|[\xc2\xb2-]");
  EXPECT_EQ(cut(R"([^\w]+)", "a\xc2\xb2-"), "[a]|\xc2\xb2-");
  EXPECT_EQ(cut(R"([\W]+)", "a\xc2\xb2-"), "[a]|\xc2\xb2-");
  EXPECT_EQ(cut(R"(\W+)", "a\xc2\xb2-"), "[a\xc2\xb2]|-");
}

TEST(SplitPattern, ALiteralIsFoundAsItStands) {
  EXPECT_EQ(cut(SplitPattern::literal("a.", "t"), "a.ab a."), "a.|[ab ]|a.");
  EXPECT_THROW(SplitPattern::literal("", "t"), Error);
}

TEST(SplitPattern, WhatIsNotKnownIsRefused) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"", "nothing"},
      {"a*", "nothing"},
      {"a|b?", "nothing"},
      {"^a", "anchors"},
      {"a$", "anchors"},
      {"(?<=a)b", "groups"},
      {"(?<n>a)", "groups"},
      {"(a", "no ')'"},
      {"a)", "without"},
      {"(?:a)+", "as a number says"},
      {"(a)*", "as a number says"},
      {"a{2}+", "repeat of a repeat"},
      {"a**", "repeat of a repeat"},
      {"a{2}?", "more than one meaning"},
      {"a{3,2}", "end is before"},
      {"a{99999}", "repeat of more"},
      {"a{,3}", "{n}"},
      {"\\bx", "does not know \\b"},
      {"\\1", "does not know \\1"},
      {"\\p{Greek}", "Greek"},
      {"\\p{L", "without its }"},
      {"\\pL", "{name}"},
      {"[]", "empty"},
      {"[a", "ends too early"},
      {"[[:alpha:]]", "[:alpha:]"},
      {"[b-a]", "end is before"},
      {"[a-\\s]", "range up to"},
      {"(?i:ss)", "ss"},
      {"(?i:[^a])", "negated"},
      {"(?i:\xc3\xa9)", "ASCII"},
      {"\\xff", "\\x{HH}"},
      {"\\x{110000}", "no such"},
      {"\\ud800", "no such"},
      {"\\", "ends too early"}};
  for (const auto& [pattern, part] : cases) {
    try {
      SplitPattern(pattern, "t.json: pattern");
      ADD_FAILURE() << pattern << " was accepted";
    } catch (const Error& error) {
      const std::string what = error.what();
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_EQ(what.find("t.json: pattern"), 0u) << what;
      EXPECT_NE(what.find(part), std::string::npos) << what << "\nlacks: " << part;
    }
  }
  EXPECT_THROW(SplitPattern(std::string(5000, '('), "t"), Error);
  EXPECT_THROW(SplitPattern(std::string(5000, '['), "t"), Error);
  EXPECT_THROW(SplitPattern("(((a{1000}|b){1000}|c){1000})", "t"), Error);
}

TEST(SplitPattern, ATextThatTakesTooLongIsAnErrorNotAHang) {
  const SplitPattern pattern("a*a*a*a*b", "t");
  EXPECT_THROW(cut(pattern, std::string(2000, 'a')), Error);
  // Published patterns are linear on what is hard for them.
  const SplitPattern spaces(R"(\s*[\r\n]+|\s+(?!\S)|\s+)", "t");
  EXPECT_EQ(cut(spaces, std::string(1 << 20, ' ') + "x").size(), (1u << 20) + 3 + 2);
}

}  // namespace
}  // namespace attune
