#include "data/tokenizers/json_tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "tests/support/paths.h"

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
  refuse("/pre_tokenizer", {{"type", "ByteLevel"}}, {"pre_tokenizer", "add_prefix_space"});
  refuse("/pre_tokenizer", {{"type", "Digits"}}, {"individual_digits", "missing"});
  refuse("/pre_tokenizer",
         {{"type", "Split"}, {"pattern", {{"Regex", "^a"}}}, {"behavior", "Isolated"}},
         {"pattern: Regex", "anchors"});
  refuse("/pre_tokenizer",
         {{"type", "Split"}, {"pattern", {{"String", "a"}}}, {"behavior", "isolated"}},
         {"behavior", "MergedWithNext"});
  refuse("/pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "ab"}}, {"one character"});
  refuse("/pre_tokenizer",
         {{"type", "Metaspace"}, {"replacement", "_"}, {"add_prefix_space", false}},
         {"add_prefix_space", "never"});
  refuse("/normalizer", {{"type", "Replace"}, {"pattern", "a"}, {"content", "b"}},
         {"pattern", "an object"});
  refuse("/normalizer", {{"type", "Strip"}, {"strip_left", true}}, {"strip_right", "missing"});
  refuse("/post_processor", {{"type", "X"}}, {"post_processor: type", "RobertaProcessing"});
  refuse("/post_processor/cls/1", 7, {"post_processor", "id 7"});
  refuse("/model/vocab/a", 2, {"vocab: \"b\"", "no other token"});
  refuse("/model/vocab/a", 4, {"<M>", "id 4", "gaps"});
  refuse("/model/vocab/a", -1, {"-1"});
  refuse("/added_tokens/1/id", 5, {"added_tokens[1]: id", "id 4"});
  refuse("/version", "2", {"version"});
}

TEST(JsonTokenizer, FirstNeedsTheTextsBeginning) {
  Json file = word_level();
  file["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "first"}, {"split", true}};
  file["normalizer"] = {{"type", "NFC"}};
  EXPECT_NO_THROW(JsonTokenizer(file, "t.json"));
  file["normalizer"] = {{"type", "Sequence"},
                        {"normalizers", {{{"type", "NFD"}}, {{"type", "StripAccents"}}}}};
  EXPECT_THROW(JsonTokenizer(file, "t.json"), Error);
}

const Json& kinds() {
  static const Json file = read_json_file(source_path("tests/fixtures/tokenizer/kinds.json"));
  return file;
}

TEST(JsonTokenizerKinds, TrainedOnesEqualThePeer) {
  const Json& texts = kinds().at("texts");
  ASSERT_GT(texts.size(), 100u);
  ASSERT_EQ(kinds().at("trained").size(), 12u);
  for (const Json& kind : kinds().at("trained")) {
    const auto name = kind.at("name").get<std::string>();
    const JsonTokenizer tokenizer(kind.at("tokenizer"), name);
    const JsonTokenizer left(kind.at("tokenizer"), name, TruncationSide::kLeft);
    const auto check = [&](const Tokenizer& ours, const Json& text, int length, const Json& ids) {
      const Ids got = encode(ours, text.get<std::string>(), length);
      EXPECT_EQ(got, ids.get<Ids>()) << name << " " << text << " cut at " << length;
      for (const std::int32_t id : got) EXPECT_LT(id, ours.vocabulary_size());
    };
    for (std::size_t i = 0; i < texts.size(); ++i) {
      check(tokenizer, texts[i], 1 << 20, kind.at("ids")[i]);
    }
    for (std::size_t i = 0; i < kinds().at("few").size(); ++i) {
      const Json& text = texts[kinds().at("few")[i].get<std::size_t>()];
      check(tokenizer, text, 9, kind.at("cut")[i]);
      check(left, text, 9, kind.at("cut_left")[i]);
    }
  }
}

TEST(JsonTokenizerKinds, EveryPreTokenizerAndNormalizerEqualsThePeer) {
  const Json& few = kinds().at("few");
  ASSERT_GT(kinds().at("shown").size(), 70u);
  for (const Json& kind : kinds().at("shown")) {
    Json file = kinds().at("shell");
    file["normalizer"] = kind.at("normalizer");
    file["pre_tokenizer"] = kind.at("pre_tokenizer");
    const JsonTokenizer tokenizer(file, "t.json");
    for (std::size_t i = 0; i < few.size(); ++i) {
      const Json& text = kinds().at("texts")[few[i].get<std::size_t>()];
      EXPECT_EQ(encode(tokenizer, text.get<std::string>(), 1 << 20), kind.at("ids")[i].get<Ids>())
          << kind.at("name") << " " << text;
    }
  }
}

TEST(JsonTokenizerKinds, ManyThreadsGiveTheSame) {
  const Json& kind = kinds().at("trained")[0];
  const JsonTokenizer tokenizer(kind.at("tokenizer"), "t.json");
  std::vector<std::string_view> texts;
  for (int copy = 0; copy < 20; ++copy) {
    for (const Json& text : kinds().at("texts")) {
      texts.push_back(text.get_ref<const std::string&>());
    }
  }
  const TokenizedTexts one = tokenizer.encode_batch("", texts, 64, 1);
  const TokenizedTexts many = tokenizer.encode_batch("", texts, 64, 4);
  EXPECT_EQ(one.ids, many.ids);
  EXPECT_EQ(one.offsets, many.offsets);
}

TEST(JsonTokenizerFiles, LoadTokenizerChoosesByTheModel) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "attune_json_tokenizer_files";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const auto write = [&](const char* name, const Json& value) {
    std::ofstream(folder / name) << value.dump();
  };
  write("tokenizer.json", word_level());
  EXPECT_EQ(encode(*load_tokenizer(folder.string()), "a b a .", 4), (Ids{0, 1, 2, 4}));
  write("tokenizer_config.json", {{"truncation_side", "left"}});
  EXPECT_EQ(encode(*load_tokenizer(folder.string()), "a b a .", 4), (Ids{0, 1, 3, 4}));
  std::filesystem::remove(folder / "tokenizer.json");
  write("vocab.json", {{"a", 0}});
  write("merges.txt", "");
  try {
    load_tokenizer(folder.string());
    ADD_FAILURE() << "merges.txt was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_NE(std::string(error.what()).find("save_pretrained"), std::string::npos);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace attune
