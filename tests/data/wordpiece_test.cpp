#include "data/tokenizers/wordpiece.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "data/tokenizers/wordpiece_files.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

const std::string kFixtures = source_path("tests/fixtures/tokenizer/");
const std::string kVectors = source_path("../shared/data/fixtures_vectors/raw/");
using Ids = std::vector<std::int32_t>;

Json tiny_json() { return read_json_file(kFixtures + "tokenizer.json"); }
BertWordPiece make(const Json& file) { return {read_tokenizer_json(file, "t.json"), "t.json"}; }

Ids encode(const Tokenizer& tokenizer, std::string_view text, int max_length = 512,
           std::string_view prompt = {}) {
  Ids ids;
  tokenizer.encode(prompt, text, max_length, ids);
  return ids;
}

// The error that `body` throws must be of that kind and contain all of the parts.
template <class Body>
void expect_error(ErrorKind kind, const std::vector<std::string>& parts, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << error.what() << "\nlacks: " << part;
    }
    return;
  }
  ADD_FAILURE() << "no error; expected one about " << parts.at(0);
}

TEST(WordPiece, EqualsThePeer) {
  const BertWordPiece tokenizer = make(tiny_json());
  const Json golden = read_json_file(kFixtures + "golden.json");
  ASSERT_GT(golden.at("cases").size(), 50u);
  for (const Json& item : golden.at("cases")) {
    EXPECT_EQ(
        encode(tokenizer, item.at("text").get<std::string>(), item.at("max_length").get<int>()),
        item.at("ids").get<Ids>())
        << item.dump() << " " << golden.at("versions").dump();
  }
}

TEST(WordPiece, VocabularyTxtEqualsTransformers) {
  const Json golden = read_json_file(kFixtures + "vocabulary_txt.json");
  ASSERT_GT(golden.at("cases").size(), 5u);
  for (const Json& item : golden.at("cases")) {
    const BertWordPiece tokenizer(
        read_vocabulary_txt(item.at("vocabulary").get<std::string>(), "vocab.txt",
                            item.at("config"), "tokenizer_config.json",
                            item.at("special_tokens_map")),
        "vocab.txt");
    EXPECT_EQ(encode(tokenizer, item.at("text").get<std::string>()), item.at("ids").get<Ids>())
        << item.dump() << " " << golden.at("versions").dump();
  }
}

TEST(WordPiece, TheOriginalVectors) {
  if (!fs::exists(kVectors)) GTEST_SKIP() << kVectors << " is not there";
  const Json vectors = read_json_file(kVectors + "bert_tokenization.json");
  for (const char* name : {"wordpiece", "full_lowercase"}) {
    BertWordPieceRules rules;
    std::map<std::string, std::int32_t> ids;
    for (const Json& token : vectors.at(name).at("vocab")) {
      ids.emplace(token.get<std::string>(), static_cast<std::int32_t>(ids.size()));
    }
    rules.vocabulary.assign(ids.begin(), ids.end());
    const BertWordPiece tokenizer(rules, "vectors");
    for (const Json& item : vectors.at(name).at("cases")) {
      // The original wordpiece step has no normaliser; "unwantedX" is unknown to both.
      Ids expected;
      for (const Json& token : item.at(1)) expected.push_back(ids.at(token.get<std::string>()));
      EXPECT_EQ(encode(tokenizer, item.at(0).get<std::string>()), expected) << item.dump();
    }
  }
}

TEST(WordPiece, LengthIsOfAllTokensAndNeedsRoomForTheSpecialOnes) {
  const BertWordPiece tokenizer = make(tiny_json());
  EXPECT_EQ(encode(tokenizer, "the of and", 2).size(), 2u);
  EXPECT_EQ(encode(tokenizer, "the of and", 3).size(), 3u);
  for (const int length : {-1, 0, 1}) {
    expect_error(ErrorKind::kConfig, {"max_length", "2 special tokens", "at least 3"},
                 [&] { encode(tokenizer, "the", length); });
  }
}

TEST(WordPiece, PromptIsPartOfTheText) {
  const BertWordPiece tokenizer = make(tiny_json());
  EXPECT_EQ(encode(tokenizer, "ing of", 512, "train"), encode(tokenizer, "training of"));
  EXPECT_EQ(encode(tokenizer, "\u0301 x", 512, "cafe"), encode(tokenizer, "cafe\u0301 x"));
  EXPECT_EQ(tokenizer.prompt_tokens("", 512), 0);
  EXPECT_EQ(tokenizer.prompt_tokens("query: ", 512), 3);  // [CLS] query :
  EXPECT_EQ(tokenizer.prompt_tokens("query: ", 2), 1);
}

TEST(WordPiece, BatchIsEqualForAnyNumberOfThreads) {
  const BertWordPiece tokenizer = make(tiny_json());
  std::vector<std::string> texts;
  for (int i = 0; i < 1000; ++i)
    texts.push_back(std::string(static_cast<std::size_t>(i % 7), 'a') + " the");
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  for (const int threads : {0, 1, 3}) {
    const TokenizedTexts batch = tokenizer.encode_batch("q ", views, 16, threads);
    ASSERT_EQ(batch.num_texts(), 1000);
    for (std::int64_t i = 0; i < 1000; ++i) {
      const Ids alone = encode(tokenizer, texts[static_cast<std::size_t>(i)], 16, "q ");
      ASSERT_EQ(Ids(batch[i].begin(), batch[i].end()), alone) << i;
    }
  }
  EXPECT_EQ(tokenizer.encode_batch("", {}, 16).num_texts(), 0);
}

TEST(WordPiece, TextThatIsNotUtf8IsRefusedWithItsOffset) {
  const BertWordPiece tokenizer = make(tiny_json());
  expect_error(ErrorKind::kData, {"the text is not UTF-8", "byte 3"},
               [&] { encode(tokenizer, "abc\xff"); });
  expect_error(ErrorKind::kData, {"byte 1"}, [&] { encode(tokenizer, "a\xed\xa0\x80"); });
  expect_error(ErrorKind::kData, {"the prompt is not UTF-8"},
               [&] { encode(tokenizer, "\x80", 512, "\xc3"); });
  const std::vector<std::string_view> texts = {"a", "b\xc3"};
  expect_error(ErrorKind::kData, {"text 1 ", "byte 1"},
               [&] { tokenizer.encode_batch("", texts, 512); });
}

TEST(WordPiece, LongTexts) {
  const BertWordPiece tokenizer = make(tiny_json());
  EXPECT_EQ(encode(tokenizer, std::string(1 << 20, 'a')).size(), 3u);  // one word: unknown
  std::string words;
  while (words.size() < 100000) words += "the cafe\u0301 \u4f60\u597d trained, ";
  const Ids all = encode(tokenizer, words, 1 << 20);
  EXPECT_GT(all.size(), 20000u);
  const Ids cut = encode(tokenizer, words, 20000);
  EXPECT_TRUE(std::equal(cut.begin(), cut.end() - 1, all.begin()));
}

TEST(WordPiece, FingerprintIsOfTheRules) {
  Json file = tiny_json();
  const Fingerprint base = make(file).fingerprint();
  file["truncation"] = nullptr;
  file["decoder"] = nullptr;
  file["normalizer"]["strip_accents"] = true;  // what null means here
  EXPECT_EQ(make(file).fingerprint(), base);
  file["normalizer"]["lowercase"] = false;
  EXPECT_NE(make(file).fingerprint(), base);
}

TEST(WordPieceFiles, WhatIsNotKnownIsNamed) {
  const auto refuse = [](const char* pointer, Json value, std::vector<std::string> parts) {
    Json file = tiny_json();
    file[Json::json_pointer(pointer)] = std::move(value);
    parts.push_back("t.json");
    expect_error(ErrorKind::kData, parts, [&] { make(file); });
  };
  refuse("/model/type", "BPE", {"model: type", "BPE", "WordPiece"});
  refuse("/model/type", "Unigram", {"Unigram"});
  refuse("/normalizer", {{"type", "Sequence"}, {"normalizers", Json::array()}}, {"Sequence"});
  refuse("/normalizer", nullptr, {"normalizer", "null", "BertNormalizer"});
  refuse("/pre_tokenizer/type", "Whitespace", {"pre_tokenizer", "Whitespace"});
  refuse("/post_processor", nullptr, {"post_processor", "null"});
  refuse("/post_processor/type", "RobertaProcessing", {"cls", "missing"});
  refuse("/post_processor/type", "Roberta", {"\"Roberta\"", "RobertaProcessing"});
  refuse("/post_processor/single/0/SpecialToken/id", "[NO]", {"special_tokens", "[NO]", "missing"});
  refuse("/post_processor/single/1/Sequence/id", "B", {"single[1]", "sequence A"});
  refuse("/post_processor/special_tokens/[CLS]/ids/0", 9999, {"9999"});
  refuse("/version", "2.0", {"version", "2.0"});
  refuse("/model/vocab", Json::array(), {"vocab", "object"});
  refuse("/model/vocab/the", -1, {"\"the\"", "-1", "token id"});
  refuse("/model/vocab/the", 1.5, {"1.5"});
  refuse("/model/vocab/the", 4294967296, {"4294967296"});
  refuse("/model/vocab/the", 0, {"id 0", "two tokens"});
  refuse("/model/unk_token", "[NONE]", {"unknown token", "[NONE]"});
  refuse("/model/max_input_chars_per_word", -1, {"max_input_chars_per_word", "-1"});
  refuse("/added_tokens/0/id", 5, {"added_tokens[0]", "id 0"});
  refuse("/added_tokens/1/content", "[PAD]", {"added_tokens[1]", "once"});
  refuse("/added_tokens/0/lstrip", "no", {"lstrip", "true or false"});
}

TEST(WordPieceFiles, VocabularyTxtIsChecked) {
  const std::string good = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n";
  const auto refuse = [](const std::string& text, const Json& config,
                         const std::vector<std::string>& parts) {
    expect_error(ErrorKind::kData, parts, [&] {
      BertWordPiece(read_vocabulary_txt(text, "vocab.txt", config, "config.json"), "vocab.txt");
    });
  };
  refuse("", nullptr, {"vocab.txt", "[UNK]"});
  refuse(good + "\xff\n", nullptr, {"vocab.txt:7", "UTF-8"});
  refuse("[PAD]\n[UNK]\n[SEP]\n[MASK]\n", nullptr, {"cls_token", "[CLS]"});
  refuse(good, {{"cls_token", "<s>"}}, {"cls_token", "<s>"});
  refuse(good, {{"do_lower_case", "yes"}}, {"config.json: do_lower_case", "true or false"});
  refuse(good, {{"tokenizer_class", "RobertaTokenizer"}}, {"RobertaTokenizer"});
  refuse(good, {{"additional_special_tokens", {"<new>"}}}, {"<new>"});
  refuse(good, Json::array(), {"config.json", "an object"});
}

TEST(WordPieceFiles, LoadTokenizerFindsTheFiles) {
  const fs::path folder = fs::path(testing::TempDir()) / "attune_wordpiece_files";
  fs::remove_all(folder);
  fs::create_directories(folder);
  expect_error(ErrorKind::kData, {folder.string(), "tokenizer.json", "vocab.txt"},
               [&] { load_tokenizer(folder.string()); });
  fs::copy_file(kFixtures + "tokenizer.json", folder / "tokenizer.json");
  EXPECT_GT(load_tokenizer(folder.string())->vocabulary_size(), 100);
  fs::remove_all(folder);
}

// Any bytes give either rules whose ids are in range, or an Error. Seeded, so a failure repeats.
TEST(WordPieceFiles, MutatedFilesNeverCrash) {
  std::mt19937 random(7);
  const auto below = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const std::vector<std::string> pieces = {
      "null", "-1",    "1e99",   "\"\"", "[]", "{}", "true", "0", ",", "18446744073709551615",
      "\xff", "\"A\"", "\\ud800"};
  const auto mutate = [&](std::string text) {
    for (std::size_t n = 1 + below(3); n > 0; --n) {
      const std::size_t at = below(text.size());
      switch (below(4)) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, 1 + below(8));
          break;
        case 2:
          text.insert(at, pieces[below(pieces.size())]);
          break;
        default:
          text.insert(at, text.substr(below(text.size()), below(30)));
          break;
      }
      if (text.empty()) text = "x";
    }
    return text;
  };
  int loaded = 0;
  const auto try_one = [&](const auto& read) {
    try {
      const BertWordPiece tokenizer = read();
      for (const std::int32_t id :
           encode(tokenizer, "the [MASK] caf\u00e9 ab<e1> \u4f60 </E2>", 64)) {
        ASSERT_GE(id, 0);
        ASSERT_LT(id, tokenizer.vocabulary_size());
      }
      ++loaded;
    } catch (const Error&) {
    }
  };
  Json small = tiny_json();
  Json vocabulary = Json::object();
  for (const char* token : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "a", "##b"}) {
    vocabulary[token] = vocabulary.size();
  }
  small["model"]["vocab"] = vocabulary;
  small["added_tokens"][0]["id"] = 0;
  for (std::size_t i = 0; i < 5; ++i) small["added_tokens"][i]["id"] = i;
  small["added_tokens"][5]["id"] = 8;
  small["added_tokens"][6]["id"] = 9;
  small["post_processor"]["special_tokens"]["[CLS]"]["ids"][0] = 2;
  small["post_processor"]["special_tokens"]["[SEP]"]["ids"][0] = 3;
  const std::string text = small.dump();
  ASSERT_NO_THROW(make(small));
  for (int i = 0; i < 3000; ++i) {
    const std::string bytes = mutate(text);
    try_one([&] { return make(parse_json(bytes, "t.json")); });
  }
  EXPECT_GT(loaded, 20);
  const std::string lines = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\na\n##b\n\u4f60\n";
  loaded = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string bytes = mutate(lines);
    try_one([&] { return BertWordPiece(read_vocabulary_txt(bytes, "v", nullptr, "c"), "v"); });
  }
  EXPECT_GT(loaded, 20);
}

}  // namespace
}  // namespace attune
