#include "data/tokenizers/unigram_model.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "data/tokenizers/json_place.h"
#include "data/tokenizers/tokenizer.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

const std::string kFixtures = source_path("tests/fixtures/sentencepiece/");
using Ids = std::vector<std::int32_t>;

Ids ids_of(const UnigramModel& model, std::string_view piece) {
  Ids out;
  model.append(piece, out);
  return out;
}

UnigramModel make(const char* section) {
  const Json json = parse_json(section, "t.json");
  return UnigramModel(JsonPlace(json, "t.json: model"));
}

TEST(DoubleArray, FindsWhatAMapFinds) {
  std::mt19937 random(5);
  for (const unsigned alphabet : {2u, 5u, 256u}) {
    std::unordered_map<std::string, std::int32_t> expected;
    std::vector<std::pair<std::string, std::int32_t>> given;
    for (std::int32_t i = 0; i < 3000; ++i) {
      std::string key(random() % 7, '\0');
      for (char& byte : key) byte = static_cast<char>(random() % alphabet);
      given.emplace_back(key, i);
      if (!key.empty()) expected[key] = i;  // the last one counts
    }
    const std::vector<std::pair<std::string_view, std::int32_t>> keys(given.begin(), given.end());
    const DoubleArray trie(keys, "t");
    for (int i = 0; i < 20000; ++i) {
      std::string key(random() % 8, '\0');
      for (char& byte : key) byte = static_cast<char>(random() % alphabet);
      const auto found = expected.find(key);
      ASSERT_EQ(trie.find(key), found == expected.end() ? -1 : found->second);
    }
    for (const auto& [key, value] : expected) ASSERT_EQ(trie.find(key), value);
  }
  EXPECT_EQ(DoubleArray({}, "t").find("a"), -1);
  EXPECT_EQ(DoubleArray({}, "t").find(std::string_view("\0", 1)), -1);
}

TEST(UnigramModel, EqualsThePeer) {
  const Json golden = read_json_file(kFixtures + "golden.json");
  int cases = 0;
  for (const Json& item : golden.at("models")) {
    const UnigramModel model(JsonPlace(item.at("model"), "t.json: model"));
    for (const Json& pair : item.at("cases")) {
      EXPECT_EQ(ids_of(model, pair.at(0).get<std::string>()), pair.at(1).get<Ids>())
          << pair.dump() << "\n"
          << item.at("model").dump();
      ++cases;
    }
  }
  EXPECT_GT(cases, 150);
}

TEST(UnigramModel, UnknownsTiesAndBytes) {
  const UnigramModel model = make(R"({"type": "Unigram", "unk_id": 0, "vocab":
      [["<unk>", 0], ["a", -1], ["b", -1], ["ab", -2], ["\u00e9", -3]]})");
  EXPECT_EQ(ids_of(model, "ab"), (Ids{3}));  // a tie: the longest last token
  EXPECT_EQ(ids_of(model, "xya\u00e9z"), (Ids{0, 1, 4, 0}));
  EXPECT_EQ(ids_of(model, "\u00e8"), (Ids{0}));  // shares its first byte with a token
  EXPECT_EQ(model.id_of("ab"), 3);
  EXPECT_EQ(model.id_of("abc"), -1);
  EXPECT_EQ(model.id_limit(), 5);

  const UnigramModel none = make(R"({"type": "Unigram", "unk_id": null, "vocab": [["a", -1]]})");
  EXPECT_EQ(ids_of(none, "aa"), (Ids{0, 0}));
  try {
    ids_of(none, "ab");
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_NE(std::string(error.what()).find("the character \"b\" is in no token"),
              std::string::npos)
        << error.what();
  }
}

// A piece without end in one piece: a time that grows with its square would not come back.
TEST(UnigramModel, TakesALongPiece) {
  const UnigramModel model = make(R"({"type": "Unigram", "unk_id": 0, "vocab":
      [["<unk>", 0], ["a", -3], ["aa", -4], ["aaaa", -5]]})");
  EXPECT_EQ(ids_of(model, std::string(4 << 20, 'a')), Ids(1 << 20, 3));
  EXPECT_EQ(ids_of(model, std::string(4 << 20, 'x')), (Ids{0}));
}

TEST(UnigramModel, RefusesWhatIsNotOne) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"({"unk_id": 0})", "\"vocab\" is missing"},
      {R"({"unk_id": 0, "vocab": []})", "tokens with their scores"},
      {R"({"unk_id": 0, "vocab": {"a": 1}})", "an array"},
      {R"({"unk_id": 0, "vocab": [["a"]]})", "vocab[0]"},
      {R"({"unk_id": 0, "vocab": [["a", -1], ["b", "c"]]})", "vocab[1]"},
      {R"({"unk_id": 0, "vocab": [["a", -1], ["b", null]]})", "a finite number"},
      {R"({"unk_id": 0, "vocab": [[1, -1]]})", "a token and its score"},
      {R"({"unk_id": 1, "vocab": [["a", -1]]})", "unk_id: found 1, expected null or the id"},
      {R"({"unk_id": -1, "vocab": [["a", -1]]})", "unk_id: found -1"},
      {R"({"unk_id": "a", "vocab": [["a", -1]]})", "unk_id: found \"a\""},
      {R"({"unk_id": 0, "vocab": [["a", -1]], "byte_fallback": 1})", "true or false"},
      {R"({"unk_id": 0, "vocab": [["a", -1]], "nbest_size": 4})", "at random"},
  };
  for (const auto& [section, words] : cases) {
    try {
      make(section);
      ADD_FAILURE() << "no error: " << section;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_EQ(std::string(error.what()).find("t.json: model"), 0u) << error.what();
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos)
          << error.what() << "\nlacks: " << words;
    }
  }
  EXPECT_THROW(make(R"({"unk_id": 0, "vocab": [["a", 1e999]]})"), Error);
}

}  // namespace
}  // namespace attune
