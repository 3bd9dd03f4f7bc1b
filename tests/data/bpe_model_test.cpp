#include "data/tokenizers/bpe_model.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "data/tokenizers/json_place.h"

namespace attune {
namespace {

using Ids = std::vector<std::int32_t>;

Json letters() {
  return parse_json(R"({"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "abc": 5,
                        "aa": 6, "aaaa": 7}, "merges": ["b c", "a b", "a bc", "a a", "aa aa"]})",
                    "t.json");
}

Ids ids_of(const Json& model, std::string_view piece) {
  Ids ids;
  BpeModel(JsonPlace(model, "t.json: model")).append(piece, ids);
  return ids;
}

TEST(BpeModel, TheFirstMergeOfTheListGoesFirst) {
  EXPECT_EQ(ids_of(letters(), "abc"), (Ids{5}));
  EXPECT_EQ(ids_of(letters(), "abab"), (Ids{3, 3}));
  EXPECT_EQ(ids_of(letters(), "aaa"), (Ids{6, 0}));  // the leftmost of two alike
  EXPECT_EQ(ids_of(letters(), "aaaaaa"), (Ids{7, 6}));
  EXPECT_EQ(ids_of(letters(), "axb"), (Ids{3}));  // no unknown token: x is left out
  EXPECT_EQ(ids_of(letters(), "xyz"), Ids{});
}

TEST(BpeModel, MergesOfBothFormatsAreTheSame) {
  Json pairs = letters();
  pairs["merges"] = Json::array();
  for (const auto& [left, right] : std::vector<std::pair<const char*, const char*>>{
           {"b", "c"}, {"a", "b"}, {"a", "bc"}, {"a", "a"}, {"aa", "aa"}}) {
    pairs["merges"].push_back(Json::array({left, right}));
  }
  Json lines = letters();
  lines["merges"].insert(lines["merges"].begin(), "#version: 0.2");
  for (const char* piece : {"abc", "aabbcc", "aaaaaaa"}) {
    EXPECT_EQ(ids_of(pairs, piece), ids_of(letters(), piece));
    EXPECT_EQ(ids_of(lines, piece), ids_of(letters(), piece));
  }
}

TEST(BpeModel, LongWordsMergeAsShortOnes) {
  // 48 characters are merged by looking through them all, more with a heap.
  for (const std::size_t count : {40u, 47u, 48u, 49u, 50u, 200u, 1000u}) {
    Ids expected(count / 4, 7);
    if (count % 4 >= 2) expected.push_back(6);
    if (count % 2 == 1) expected.push_back(0);
    EXPECT_EQ(ids_of(letters(), std::string(count, 'a')), expected) << count;
    std::string words;
    Ids each;
    for (std::size_t i = 0; i < count / 3; ++i) words += "abc", each.push_back(5);
    EXPECT_EQ(ids_of(letters(), words), each) << count;
  }
}

TEST(BpeModel, AWordOfAMillionCharactersTakesNoSquare) {
  const Ids ids = ids_of(letters(), std::string(1 << 20, 'a'));
  EXPECT_EQ(ids, Ids((1 << 20) / 4, 7));
}

TEST(BpeModel, UnknownCharacters) {
  Json model = letters();
  model["unk_token"] = "c";
  EXPECT_EQ(ids_of(model, "axyb"), (Ids{0, 2, 2, 1}));
  model["fuse_unk"] = true;
  EXPECT_EQ(ids_of(model, "axyb"), (Ids{0, 2, 1}));
  model["unk_token"] = "none";
  EXPECT_EQ(ids_of(model, "ab"), (Ids{3}));
  EXPECT_THROW(ids_of(model, "x"), Error);
}

TEST(BpeModel, BytesStandForWhatIsMissing) {
  Json model = letters();
  model["unk_token"] = "c";
  model["byte_fallback"] = true;
  model["vocab"]["<0xC3>"] = 8;
  EXPECT_EQ(ids_of(model, "a\xc3\xa9"), (Ids{0, 2}));  // only with all of its bytes
  model["vocab"]["<0xA9>"] = 9;
  EXPECT_EQ(ids_of(model, "a\xc3\xa9"), (Ids{0, 8, 9}));
}

TEST(BpeModel, IgnoreMergesTakesATokenWhole) {
  Json model = letters();
  model["vocab"]["cab"] = 8;
  EXPECT_EQ(ids_of(model, "cab"), (Ids{2, 3}));
  model["ignore_merges"] = true;
  EXPECT_EQ(ids_of(model, "cab"), (Ids{8}));
}

TEST(BpeModel, TwoModelsOnOneThreadDoNotMixTheirWords) {
  const Json small = {{"type", "BPE"}, {"vocab", {{"a", 5}, {"b", 6}}}, {"merges", Json::array()}};
  const Json big = letters();
  const BpeModel first(JsonPlace(small, "small")), second(JsonPlace(big, "big"));
  for (int round = 0; round < 3; ++round) {
    Ids one, two;
    first.append("ab", one);
    second.append("ab", two);
    EXPECT_EQ(one, (Ids{5, 6}));
    EXPECT_EQ(two, (Ids{3}));
  }
}

TEST(BpeModel, WhatIsWrongIsNamed) {
  const auto refuse = [](const char* pointer, Json value, const std::vector<std::string>& parts) {
    Json model = letters();
    model[Json::json_pointer(pointer)] = std::move(value);
    try {
      BpeModel(JsonPlace(model, "t.json: model"));
      ADD_FAILURE() << pointer << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_EQ(std::string(error.what()).find("t.json: model"), 0u) << error.what();
      for (const std::string& part : parts) {
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
            << error.what() << "\nlacks: " << part;
      }
    }
  };
  refuse("/vocab", Json::array(), {"vocab", "an object"});
  refuse("/vocab/a", 1, {"vocab: \"b\"", "no other token"});
  refuse("/vocab/a", -1, {"-1", "token id"});
  refuse("/vocab/a", 1 << 24, {"16777216", "token id"});
  refuse("/vocab/a", 1e3, {"1000"});
  refuse("/merges", nullptr, {"merges", "an array"});
  refuse("/merges/1", "ab", {"merges[1]", "one space"});
  refuse("/merges/1", "a b c", {"merges[1]", "one space"});
  refuse("/merges/1", 7, {"merges[1]"});
  refuse("/merges/1", {"a", "b"}, {"merges[1]"});
  refuse("/merges/0", {"a", "b"}, {"merges[1]", "as the merges before it"});
  refuse("/merges/1", "a z", {"merge 1", "\"z\"", "not in the vocabulary"});
  refuse("/merges/1", "c c", {"merge 1", "\"cc\"", "not in the vocabulary"});
  refuse("/dropout", 0.1, {"dropout", "0.1"});
  refuse("/unk_token", 3, {"unk_token", "a string"});
  refuse("/byte_fallback", "yes", {"byte_fallback", "true or false"});
  refuse("/continuing_subword_prefix", "\xe2\x96\x81", {"continuing_subword_prefix", "ASCII"});
  refuse("/continuing_subword_prefix", "##", {"merge 0", "shorter"});
  Json model = letters();
  model["dropout"] = 0.0;
  EXPECT_EQ(ids_of(model, "abc"), (Ids{5}));
  model.erase("merges");
  EXPECT_THROW(ids_of(model, "a"), Error);
}

}  // namespace
}  // namespace attune
