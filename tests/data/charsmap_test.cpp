#include "data/tokenizers/charsmap.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "data/tokenizers/graphemes.h"
#include "data/tokenizers/json_place.h"
#include "data/tokenizers/precompiled_normalizer.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

const std::string kFixtures = source_path("tests/fixtures/sentencepiece/");

std::vector<std::string> clusters(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = end_of_grapheme(text, at);
    out.push_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

// Annex 29's rules, each with a text that it alone decides.
TEST(Graphemes, EveryRule) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(clusters("ab"), (Texts{"a", "b"}));
  EXPECT_EQ(clusters("\r\n\r\r\n"), (Texts{"\r\n", "\r", "\r\n"}));                      // GB3
  EXPECT_EQ(clusters("\t\u0301"), (Texts{"\t", "\u0301"}));                              // GB4
  EXPECT_EQ(clusters("\u0600\n"), (Texts{"\u0600", "\n"}));                              // GB5
  EXPECT_EQ(clusters("\u1100\u1100\u1161\u11A8"), (Texts{"\u1100\u1100\u1161\u11A8"}));  // GB6-8
  EXPECT_EQ(clusters("\uAC00\u1161"), (Texts{"\uAC00\u1161"}));                          // GB7
  EXPECT_EQ(clusters("\uAC01\u1161"), (Texts{"\uAC01", "\u1161"}));                      // GB8
  EXPECT_EQ(clusters("\uAC01\u11A8\u1100"), (Texts{"\uAC01\u11A8", "\u1100"}));
  EXPECT_EQ(clusters("e\u0301\u200Dx"), (Texts{"e\u0301\u200D", "x"}));      // GB9
  EXPECT_EQ(clusters("\u0915\u0903"), (Texts{"\u0915\u0903"}));              // GB9a
  EXPECT_EQ(clusters("\u0600a"), (Texts{"\u0600a"}));                        // GB9b
  EXPECT_EQ(clusters("\u0915\u094D\u0937"), (Texts{"\u0915\u094D\u0937"}));  // GB9c
  EXPECT_EQ(clusters("\u0915\u0903\u0937"), (Texts{"\u0915\u0903", "\u0937"}));
  EXPECT_EQ(clusters("\u2764\uFE0F\u200D\U0001F525"),
            (Texts{"\u2764\uFE0F\u200D\U0001F525"}));  // GB11
  EXPECT_EQ(clusters("a\u200D\U0001F525"), (Texts{"a\u200D", "\U0001F525"}));
  EXPECT_EQ(clusters("\U0001F1E6\U0001F1E7\U0001F1E8"),
            (Texts{"\U0001F1E6\U0001F1E7", "\U0001F1E8"}));  // GB12
}

TEST(Charsmap, EqualsThePeer) {
  const Json golden = read_json_file(kFixtures + "golden.json");
  int cases = 0;
  for (const Json& item : golden.at("charsmaps")) {
    const Json section = {{"type", "Precompiled"}, {"precompiled_charsmap", item.at("charsmap")}};
    const PrecompiledNormalizer normalizer(JsonPlace(section, "t.json"));
    for (const Json& pair : item.at("cases")) {
      std::string text = pair.at(0).get<std::string>();
      normalizer.normalize(text);
      EXPECT_EQ(text, pair.at(1).get<std::string>()) << pair.at(0).dump();
      ++cases;
    }
  }
  EXPECT_GT(cases, 300);
}

constexpr std::uint32_t kNobody = std::uint32_t{1} << 31;  // a unit that no byte leads to

// A charsmap with the rule "a" -> "b", as units.
struct Map {
  std::vector<std::uint32_t> units = std::vector<std::uint32_t>(256, kNobody);
  std::string results = std::string("b\0", 2);
  Map() {
    units[0] = 1 << 10;                                     // the root: base 1
    units[1 ^ 'a'] = 'a' | 1 << 8 | (8 ^ (1 ^ 'a')) << 10;  // "a", a rule ends here: base 8
    units[8] = std::uint32_t{1} << 31;                      // its result is at 0
  }
  std::string bytes() const {
    const std::uint32_t size = static_cast<std::uint32_t>(units.size() * 4);
    std::string out(4 + size, '\0');
    std::memcpy(out.data(), &size, 4);
    std::memcpy(out.data() + 4, units.data(), size);
    return out + results;
  }
};

std::string replaced(const Map& map, const std::string& text) {
  std::string out;
  Charsmap(map.bytes(), "m").append(text, out);
  return out;
}

void expect_refused(const std::string& bytes, const std::string& words) {
  try {
    Charsmap map(bytes, "some.model");
    ADD_FAILURE() << "no error about: " << words;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    const std::string what = error.what();
    EXPECT_EQ(what.find("some.model: the precompiled charsmap is damaged: "), 0u) << what;
    EXPECT_NE(what.find(words), std::string::npos) << what;
    EXPECT_NE(what.find("get this file again"), std::string::npos) << what;
  }
}

TEST(Charsmap, RefusesDamage) {
  EXPECT_EQ(replaced(Map(), "xa\xC3\xA1"), "xb\xC3\xA1");
  expect_refused("", "found 0 bytes");
  expect_refused("\1\2\3", "found 3 bytes");
  expect_refused(Map().bytes().substr(0, 500), "its trie has 1024 of 496 bytes");
  expect_refused(Map().bytes().substr(0, 1028), "its trie has 1024 of 1024 bytes");
  expect_refused(std::string(2000, '\0'), "its trie has 0 of");
  expect_refused(std::string(2000, '\xFF'), "its trie has 4294967295 of");
  Map map;
  map.results = "b";
  expect_refused(map.bytes(), "does not end");
  map = Map();
  map.results = std::string("\xC3\0", 2);
  expect_refused(map.bytes(), "byte 0 of its results is not UTF-8");
  map = Map();
  map.units[0] = 0x7FFFFE00;  // far away
  expect_refused(map.bytes(), "unit 0 of its trie leads to unit");
  map = Map();
  map.units[1 ^ 'a'] = 'a' | 1 << 8 | 300u << 10;
  expect_refused(map.bytes(), "of its trie leads to unit");
  map = Map();
  map.units[8] = 1u << 31 | 2;  // behind the results
  expect_refused(map.bytes(), "result is at byte 2 of 2");
  map = Map();
  map.results = std::string("\xC3\xA1\0", 3);
  map.units[8] = 1u << 31 | 1;  // inside a character
  expect_refused(map.bytes(), "result is at byte 1 of 3");
  map = Map();
  map.units[1 ^ 'a'] = 'a' | (1 ^ (1 ^ 'a')) << 10;  // "a" leads back to where "a" starts
  expect_refused(map.bytes(), "goes round in a circle");
  map = Map();
  map.units[1] = 0 | 9 << 10;  // what the root's zero byte leads to
  expect_refused(map.bytes(), "a rule for a zero byte");
}

// 33 rules a, aa, aaa ...: one more than sentencepiece looks at.
TEST(Charsmap, RefusesMoreNestedRulesThanTheLibraryHasRoomFor) {
  for (const int rules : {32, 33}) {
    Map map;
    map.units.assign(256 * 40, kNobody);
    map.units[0] = 256 << 10;
    std::uint32_t node = 256 ^ 'a', base = 256;
    for (int i = 0; i < rules; ++i) {
      base += 256;
      map.units[node] = 'a' | 1 << 8 | (base ^ node) << 10;
      map.units[base] = 1u << 31;
      node = base ^ 'a';
    }
    if (rules == 32) {
      EXPECT_EQ(replaced(map, "aa"), "bb");
    } else {
      expect_refused(map.bytes(), "more than 32 rules start with each other");
    }
  }
}

TEST(Charsmap, Base64IsStrict) {
  for (const char* bad : {"", "AAA", "AA=A", "A===", "AA\nA", "AA-_"}) {
    const Json section = {{"type", "Precompiled"}, {"precompiled_charsmap", bad}};
    EXPECT_THROW(PrecompiledNormalizer(JsonPlace(section, "t.json")), Error) << bad;
  }
  const Json section = {{"type", "Precompiled"}};
  EXPECT_THROW(PrecompiledNormalizer(JsonPlace(section, "t.json")), Error);
}

}  // namespace
}  // namespace attune
