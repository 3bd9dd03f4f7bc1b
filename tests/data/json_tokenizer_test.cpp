#include "data/tokenizers/json_tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"

namespace attune {
namespace {

using Ids = std::vector<std::int32_t>;

Json word_level() {
  return parse_json(R"({
    "version": "1.0",
    "added_tokens": [
      {"id": 0, "content": "<unk>", "single_word": false, "lstrip": false, "rstrip": false,
       "normalized": false, "special": true},
      {"id": 4, "content": "<M>", "single_word": false, "lstrip": true, "rstrip": false,
       "normalized": false, "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}]},
    "post_processor": {"type": "RobertaProcessing", "cls": ["<unk>", 0], "sep": ["<M>", 4]},
    "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "a": 1, "b": 2, ".": 3},
              "unk_token": "<unk>"}})",
                    "t.json");
}

Ids encode(const Tokenizer& tokenizer, std::string_view text, int max_length = 512,
           std::string_view prompt = {}) {
  Ids ids;
  tokenizer.encode(prompt, text, max_length, ids);
  return ids;
}

TEST(JsonTokenizer, ItsPartsWorkTogether) {
  const JsonTokenizer tokenizer(word_level(), "t.json");
  EXPECT_EQ(tokenizer.vocabulary_size(), 5);
  EXPECT_EQ(encode(tokenizer, "a  b.c <M>a"), (Ids{0, 1, 2, 3, 0, 4, 1, 4}));
  EXPECT_EQ(encode(tokenizer, "b", 512, "a "), (Ids{0, 1, 2, 4}));
  EXPECT_EQ(tokenizer.prompt_tokens("a b", 512), 3);
  EXPECT_EQ(encode(tokenizer, ""), (Ids{0, 4}));
}

TEST(JsonTokenizer, CutsAtTheLengthOnEitherSide) {
  const JsonTokenizer right(word_level(), "t.json");
  EXPECT_EQ(encode(right, "a b a .", 4), (Ids{0, 1, 2, 4}));
  EXPECT_EQ(encode(right, "a b a .", 2), (Ids{0, 4}));
  EXPECT_THROW(encode(right, "a", 1), Error);
  const JsonTokenizer left(word_level(), "t.json", TruncationSide::kLeft);
  EXPECT_EQ(encode(left, "a b a .", 4), (Ids{0, 1, 3, 4}));
  EXPECT_EQ(encode(left, "a", 4), (Ids{0, 1, 4}));
  EXPECT_NE(left.fingerprint(), right.fingerprint());
}

TEST(JsonTokenizer, TheSideComesFromTheFilesAsInTransformers) {
  Json file = word_level();
  EXPECT_EQ(truncation_side(file, "t", nullptr, "c"), TruncationSide::kRight);
  file["truncation"] = {{"direction", "Left"}};
  EXPECT_EQ(truncation_side(file, "t", nullptr, "c"), TruncationSide::kLeft);
  EXPECT_EQ(truncation_side(file, "t", {{"truncation_side", "right"}}, "c"),
            TruncationSide::kRight);
  EXPECT_THROW(truncation_side(file, "t", {{"truncation_side", "up"}}, "c"), Error);
}

TEST(JsonTokenizer, FingerprintIsOfTheRules) {
  const Fingerprint base = JsonTokenizer(word_level(), "t.json").fingerprint();
  Json file = word_level();
  file["truncation"] = nullptr;
  file["decoder"] = {{"type", "ByteLevel"}};
  EXPECT_EQ(JsonTokenizer(file, "other.json").fingerprint(), base);
  file["model"]["vocab"]["a"] = 2;
  file["model"]["vocab"]["b"] = 1;
  EXPECT_NE(JsonTokenizer(file, "t.json").fingerprint(), base);
}

TEST(JsonTokenizer, WhatIsNotKnownIsNamed) {
  const auto refuse = [](const char* pointer, Json value, const std::vector<std::string>& parts) {
    Json file = word_level();
    file[Json::json_pointer(pointer)] = std::move(value);
    try {
      JsonTokenizer(file, "t.json");
      ADD_FAILURE() << pointer << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      for (const std::string& part : parts) {
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
            << error.what() << "\nlacks: " << part;
      }
    }
  };
  refuse("/model/type", "Gematria", {"t.json: model: type", "Gematria", "WordLevel"});
  refuse("/normalizer", {{"type", "Nmt"}}, {"normalizer: type", "Nmt", "BertNormalizer"});
  refuse("/normalizer", "lower", {"normalizer", "an object"});
  refuse("/pre_tokenizer", {{"type", "UnicodeScripts"}}, {"UnicodeScripts", "BertPreTokenizer"});
  refuse("/pre_tokenizer/pretokenizers/0/type", "X", {"pretokenizers[0]: type", "\"X\""});
  refuse("/post_processor", {{"type", "X"}}, {"post_processor: type", "RobertaProcessing"});
  refuse("/post_processor/cls/1", 7, {"post_processor", "id 7"});
  refuse("/model/vocab/a", 2, {"vocab: \"b\"", "no other token"});
  refuse("/model/vocab/a", 4, {"<M>", "id 4", "gaps"});
  refuse("/model/vocab/a", -1, {"-1"});
  refuse("/added_tokens/1/id", 5, {"added_tokens[1]: id", "id 4"});
  refuse("/version", "2", {"version"});
}

}  // namespace
}  // namespace attune
