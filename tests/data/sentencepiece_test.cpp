#include "data/tokenizers/sentencepiece_tokenizer.h"

#include <gtest/gtest.h>
#include <sentencepiece_model.pb.h>
#include <sentencepiece_trainer.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "data/tokenizers/sentencepiece_files.h"
#include "tests/core/scratch.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

const std::string kFixtures = source_path("tests/fixtures/sentencepiece/");
using Ids = std::vector<std::int32_t>;
using Proto = sentencepiece::ModelProto;

std::string fixture(const std::string& name) { return read_file(kFixtures + name, 1 << 24); }

Ids encode(const Tokenizer& tokenizer, std::string_view text, int max_length = 4096,
           std::string_view prompt = {}) {
  Ids ids;
  tokenizer.encode(prompt, text, max_length, ids);
  return ids;
}

// A model directory.
class Directory {
 public:
  void put(const std::string& name, const std::string& bytes) const {
    std::ofstream(scratch_ / name, std::ios::binary) << bytes;
  }
  std::unique_ptr<Tokenizer> load() const { return load_tokenizer(scratch_.path()); }
  const std::string& path() const { return scratch_.path(); }

 private:
  Scratch scratch_;
};

constexpr const char* kXlmRoberta = R"({"tokenizer_class": "XLMRobertaTokenizer"})";
constexpr const char* kGemma =
    R"({"tokenizer_class": "GemmaTokenizer", "add_bos_token": true, "add_eos_token": false})";

void expect_refused(const Directory& directory, const std::vector<std::string>& parts) {
  try {
    directory.load();
    ADD_FAILURE() << "no error about: " << parts.at(0);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
    EXPECT_EQ(std::string(error.what()).find(directory.path()), 0u) << error.what();
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << error.what() << "\nlacks: " << part;
    }
  }
}

TEST(SentencePiece, EqualsThePeers) {
  const Json golden = read_json_file(kFixtures + "golden.json");
  Directory unigram, bpe, json;
  unigram.put("sentencepiece.bpe.model", fixture("unigram.model"));
  unigram.put("tokenizer_config.json", kXlmRoberta);
  bpe.put("tokenizer.model", fixture("bpe.model"));
  bpe.put("tokenizer_config.json", kGemma);
  json.put("tokenizer.json", fixture("tokenizer.json"));
  for (const auto& [name, directory] :
       {std::pair{"unigram", &unigram}, {"bpe", &bpe}, {"json", &json}}) {
    const auto tokenizer = directory->load();
    ASSERT_GT(golden.at(name).size(), 60u);
    for (const Json& pair : golden.at(name)) {
      EXPECT_EQ(encode(*tokenizer, pair.at(0).get<std::string>()), pair.at(1).get<Ids>())
          << name << " " << pair.dump() << " " << golden.at("versions").dump();
    }
  }
}

// The two readers disagree where a rule's result meets a mark: whose ids these are can be told.
TEST(SentencePiece, TokenizerJsonDecidesWhereBothAreThere) {
  Directory both, model;
  for (const Directory* directory : {&both, &model}) {
    directory->put("sentencepiece.bpe.model", fixture("unigram.model"));
    directory->put("tokenizer_config.json", kXlmRoberta);
  }
  both.put("tokenizer.json", fixture("tokenizer.json"));
  const Json golden = read_json_file(kFixtures + "golden.json");
  const auto decided = both.load(), other = model.load();
  int differences = 0;
  for (const Json& pair : golden.at("json")) {
    const std::string text = pair.at(0).get<std::string>();
    EXPECT_EQ(encode(*decided, text), pair.at(1).get<Ids>()) << pair.dump();
    differences += encode(*other, text) != pair.at(1).get<Ids>();
  }
  EXPECT_GT(differences, 0);
  EXPECT_NE(decided->fingerprint(), other->fingerprint());
}

TEST(SentencePiece, SpecialTokensPromptsAndLengths) {
  Directory directory;
  directory.put("sentencepiece.bpe.model", fixture("unigram.model"));
  directory.put("tokenizer_config.json",
                R"({"tokenizer_class": "XLMRobertaTokenizerFast", "mask_token":
                    {"content": "<mask>", "lstrip": true, "rstrip": false}, "added_tokens_decoder":
                    {"400": {"content": "[X]", "special": false, "single_word": true}}})");
  const auto tokenizer = directory.load();
  EXPECT_EQ(tokenizer->vocabulary_size(), 401);
  const Ids word = encode(*tokenizer, "tokenize");
  ASSERT_EQ(word.size(), 3u);
  const std::int32_t whole = word[1], mask = encode(*tokenizer, "<mask>")[1];
  const SentencePieceModel pieces(fixture("unigram.model"), "u");
  EXPECT_EQ(whole, pieces.find("\u2581tokenize") + 1);
  EXPECT_EQ(mask, pieces.size() + 1);
  EXPECT_EQ(encode(*tokenizer, "tokenize  <mask> tokenize"), (Ids{0, whole, mask, whole, 2}));
  EXPECT_EQ(encode(*tokenizer, "tokenize<s>tokenize</s><pad><unk>"),
            (Ids{0, whole, 0, whole, 2, 1, 3, 2}));
  EXPECT_EQ(encode(*tokenizer, "tokenize [X] tokenize"), (Ids{0, whole, 400, whole, 2}));
  EXPECT_EQ(encode(*tokenizer, "tokenize", 4096, "tokenize "), (Ids{0, whole, whole, 2}));
  EXPECT_EQ(tokenizer->prompt_tokens("tokenize ", 4096), 2);
  EXPECT_EQ(encode(*tokenizer, "tokenize tokenize tokenize", 4), (Ids{0, whole, whole, 2}));
  EXPECT_EQ(encode(*tokenizer, "tokenize", 2), (Ids{0, 2}));
  EXPECT_EQ(encode(*tokenizer, ""), (Ids{0, 2}));
  EXPECT_THROW(encode(*tokenizer, "tokenize", 1), Error);
  EXPECT_THROW(encode(*tokenizer, "\xff"), Error);
}

TEST(SentencePiece, OtherFilesOfTransformers) {
  Directory t5, llama, old;
  t5.put("spiece.model", fixture("unigram.model"));
  t5.put("config.json", R"({"model_type": "t5"})");
  t5.put("tokenizer_config.json", R"({"extra_ids": 2, "pad_token": "<unk>"})");
  const SentencePieceModel pieces(fixture("unigram.model"), "u");
  const auto t5s = t5.load();
  EXPECT_EQ(encode(*t5s, "tokenize<extra_id_0><extra_id_1>"),
            (Ids{pieces.find("\u2581tokenize"), pieces.size() + 1, pieces.size(), 2}));

  llama.put("tokenizer.model", fixture("unigram.model"));
  llama.put("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer", "legacy": true,
            "add_bos_token": true, "add_eos_token": true, "pad_token": null})");
  EXPECT_EQ(encode(*llama.load(), "tokenize"), (Ids{1, pieces.find("\u2581tokenize"), 2}));

  // Before transformers 4.34 there were a map and a list of added tokens.
  old.put("sentencepiece.bpe.model", fixture("unigram.model"));
  old.put("tokenizer_config.json", kXlmRoberta);
  old.put("special_tokens_map.json", R"({"mask_token": {"content": "<mask>", "lstrip": true},
          "additional_special_tokens": ["[Y]"]})");
  old.put("added_tokens.json", R"({"[Y]": 777})");
  EXPECT_EQ(encode(*old.load(), "tokenize [Y]tokenize"),
            (Ids{0, pieces.find("\u2581tokenize") + 1, 777, pieces.find("\u2581tokenize") + 1, 2}));
  // A newer configuration makes them void.
  old.put("tokenizer_config.json",
          R"({"tokenizer_class": "XLMRobertaTokenizer", "added_tokens_decoder": {}})");
  EXPECT_EQ(old.load()->vocabulary_size(), pieces.size() + 2);
}

TEST(SentencePiece, RefusesWhatItDoesNotDo) {
  const std::vector<std::pair<const char*, std::vector<std::string>>> cases = {
      {"{}", {"\"tokenizer_class\" is missing", "XLMRobertaTokenizer"}},
      {R"({"tokenizer_class": "AlbertTokenizer"})", {"AlbertTokenizer", "tokenizer.json"}},
      {R"({"tokenizer_class": "LlamaTokenizer", "legacy": false, "add_bos_token": true})",
       {"legacy", "tokenizer.json"}},
      {R"({"tokenizer_class": "LlamaTokenizer"})", {"\"add_bos_token\" is missing"}},
      {R"({"tokenizer_class": "XLMRobertaTokenizer", "cls_token": "the"})",
       {"cls_token", "expected one of the"}},
      {R"({"tokenizer_class": "XLMRobertaTokenizer", "cls_token": "<pad>"})",
       {"bos_token and cls_token are two tokens"}},
      {R"({"tokenizer_class": "XLMRobertaTokenizer", "eos_token": null})", {"eos_token is null"}},
      {R"({"tokenizer_class": "XLMRobertaTokenizer", "mask_token": {"content": 3}})",
       {"mask_token: content", "a string"}},
      {R"({"tokenizer_class": "XLMRobertaTokenizer", "mask_token": ""})", {"not empty"}},
      {R"({"tokenizer_class": "XLMRobertaTokenizer", "add_prefix_space": false})",
       {"add_prefix_space"}},
      {R"({"tokenizer_class": "XLMRobertaTokenizer", "do_lower_case": true})", {"do_lower_case"}},
      {R"({"tokenizer_class": "XLMRobertaTokenizer", "truncation_side": "left"})", {"left"}},
      {R"({"tokenizer_class": "XLMRobertaTokenizer", "sp_model_kwargs": {"nbest_size": 3}})",
       {"sp_model_kwargs"}},
      {R"({"tokenizer_class": "XLMRobertaTokenizer", "added_tokens_decoder":
          {"7": {"content": "[X]"}}})",
       {"no other token has"}},
      {R"({"tokenizer_class": "XLMRobertaTokenizer", "added_tokens_decoder":
          {"9": {"content": "<s>"}}})",
       {"id 0"}},
      {R"({"tokenizer_class": "XLMRobertaTokenizer", "added_tokens_decoder":
          {"99999999999": {"content": "[X]"}}})",
       {"a token id as the key"}},
      {R"({"tokenizer_class": "XLMRobertaTokenizer", "additional_special_tokens": ["[X]"]})",
       {"[X]", "expected one of the"}},
      {R"({"tokenizer_class": "T5Tokenizer", "extra_ids": 100000, "pad_token": "<unk>"})",
       {"extra_ids"}},
      {"[]", {"an object"}},
  };
  for (const auto& [config, parts] : cases) {
    Directory directory;
    directory.put("sentencepiece.bpe.model", fixture("unigram.model"));
    directory.put("tokenizer_config.json", config);
    expect_refused(directory, parts);
  }
  Directory directory;
  expect_refused(directory, {"found neither tokenizer.json, nor sentencepiece.bpe.model"});
  directory.put("sentencepiece.bpe.model", fixture("bpe.model"));
  directory.put("tokenizer_config.json", kXlmRoberta);
  expect_refused(directory, {"piece 0 is \"<pad>\"", "expected <unk>"});
  directory.put("tokenizer.model", fixture("bpe.model"));
  expect_refused(directory, {"found both", "tokenizer.model"});
}

TEST(SentencePiece, RefusesBrokenModels) {
  using Piece = Proto::SentencePiece;
  const std::vector<std::pair<std::vector<std::string>, std::function<void(Proto&)>>> cases = {
      {{"found no pieces"}, [](Proto& m) { m.clear_pieces(); }},
      {{"of kind word", "unigram or bpe"},
       [](Proto& m) {
         m.mutable_trainer_spec()->set_model_type(sentencepiece::TrainerSpec::WORD);
       }},
      {{"of kind char"},
       [](Proto& m) {
         m.mutable_trainer_spec()->set_model_type(sentencepiece::TrainerSpec::CHAR);
       }},
      {{"no description of the model", "not whole"}, [](Proto& m) { m.clear_trainer_spec(); }},
      {{"no description of the model"}, [](Proto& m) { m.clear_normalizer_spec(); }},
      {{"piece 400", "is empty"}, [](Proto& m) { m.mutable_pieces(400)->set_piece(""); }},
      {{"piece 400", "has 3000 bytes"},
       [](Proto& m) { m.mutable_pieces(400)->set_piece(std::string(3000, 'x')); }},
      {{"piece 400", "not UTF-8"}, [](Proto& m) { m.mutable_pieces(400)->set_piece("\xC3"); }},
      {{"piece 400", "zero byte"},
       [](Proto& m) { m.mutable_pieces(400)->set_piece(std::string("a\0b", 3)); }},
      {{"piece 400", "is piece 399 too"},
       [](Proto& m) { m.mutable_pieces(400)->set_piece(m.pieces(399).piece()); }},
      {{"the score nan"},
       [](Proto& m) { m.mutable_pieces(400)->set_score(std::numeric_limits<float>::quiet_NaN()); }},
      {{"the score -inf"},
       [](Proto& m) { m.mutable_pieces(400)->set_score(-std::numeric_limits<float>::infinity()); }},
      {{"unk is not defined"}, [](Proto& m) { m.mutable_pieces(3)->set_type(Piece::NORMAL); }},
      {{"unk is already defined"},
       [](Proto& m) { m.mutable_pieces(400)->set_type(Piece::UNKNOWN); }},
      {{"256 byte pieces"}, [](Proto& m) { m.mutable_pieces(20)->set_type(Piece::NORMAL); }},
      {{"byte_fallback"}, [](Proto& m) { m.mutable_trainer_spec()->set_byte_fallback(false); }},
      {{"is invalid"}, [](Proto& m) { m.mutable_pieces(400)->set_type(Piece::BYTE); }},
      {{"more than 64 user-defined pieces"},
       [](Proto& m) {
         for (int i = 1; i <= 65; ++i) {
           Piece& piece = *m.add_pieces();
           piece.set_piece(std::string(static_cast<std::size_t>(i), '#') + "#");
           piece.set_type(Piece::USER_DEFINED);
         }
       }},
      {{"charsmap is damaged"},
       [](Proto& m) {
         m.mutable_normalizer_spec()->set_precompiled_charsmap(std::string(3000, '\x04'));
       }},
  };
  for (const auto& [parts, change] : cases) {
    Proto model;
    ASSERT_TRUE(model.ParseFromString(fixture("bpe.model")));
    change(model);
    Directory directory;
    directory.put("tokenizer.model", model.SerializeAsString());
    directory.put("tokenizer_config.json", kGemma);
    std::vector<std::string> all = parts;
    all.push_back("tokenizer.model: ");
    expect_refused(directory, all);
  }
  for (const char* bytes : {"", "no model at all", "\xff\xff\xff\xff", "{\"version\": \"1.0\"}"}) {
    Directory directory;
    directory.put("tokenizer.model", bytes);
    directory.put("tokenizer_config.json", kGemma);
    expect_refused(directory, {"tokenizer.model: ", "get this file again"});
  }
}

TEST(SentencePiece, RefusesAFileThatIsNotWhole) {
  const std::string whole = fixture("unigram.model");
  const SentencePieceModel reference(whole, "m");
  std::vector<int> expected;
  reference.append("the model", expected);
  std::size_t refused = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    try {
      const SentencePieceModel model(std::string_view(whole).substr(0, size), "m");
      std::vector<int> ids;  // all but a description of the inverse, which is not used
      model.append("the model", ids);
      EXPECT_EQ(ids, expected) << size;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("get this file again"), std::string::npos);
      ++refused;
    }
  }
  EXPECT_GT(refused, whole.size() * 99 / 100);
}

class Sentences final : public sentencepiece::SentenceIterator {
 public:
  explicit Sentences(const std::vector<std::string>& texts) : texts_(texts) {}
  bool done() const override { return at_ == texts_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return texts_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& texts_;
  std::size_t at_ = 0;
};

std::vector<std::string> sentences() {
  const std::vector<std::string> words = {
      "query",        "passage",      "model",  "modelling",  "train",
      "trained",      "retrieval",    "answer", "\u00e9tude", "l\u00e0",
      "\u6a21\u578b", "\u6587\u672c", "42",     "(see)",      "a"};
  std::mt19937 random(3);
  std::vector<std::string> out;
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (int j = 0; j < 8; ++j) text += words[random() % words.size()] + " ";
    out.push_back(text);
  }
  return out;
}

std::string trained(const std::string& options) {
  const std::vector<std::string> texts = sentences();
  Sentences iterator(texts);
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      options + " --minloglevel=2 --num_threads=1 --hard_vocab_limit=false", &iterator, &model);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return model;
}

// What is trained here with the library's trainer cuts texts so that their pieces spell them.
TEST(SentencePiece, TrainedHere) {
  const std::string kSpace = "\u2581";
  for (const auto& [options, prefix, fallback] :
       {std::tuple{"--model_type=unigram --vocab_size=120", true, false},
        {"--model_type=bpe --vocab_size=420 --byte_fallback=true --add_dummy_prefix=false", false,
         true}}) {
    const SentencePieceModel model(trained(options), "trained.model");
    EXPECT_GT(model.size(), 30);
    std::vector<std::string> texts = sentences();
    texts.push_back("\uFF21 \u2603 \u7121");  // a wide A, and characters that training has not seen
    for (const std::string& text : texts) {
      std::vector<int> ids;
      model.append(text, ids);
      std::string spelt, expected = prefix ? kSpace : "";
      bool unknown = false;
      for (const int id : ids) {
        ASSERT_GE(id, 0);
        ASSERT_LT(id, model.size());
        unknown |= id == model.unknown_id();
        const std::string& piece = model.piece(id);
        spelt += model.kind(id) == SentencePieceModel::PieceKind::kByte
                     ? std::string(1, static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16)))
                     : piece;
      }
      if (&text == &texts.back()) {
        EXPECT_EQ(unknown, !fallback);
        if (!fallback) continue;
      } else {
        EXPECT_FALSE(unknown) << text;
      }
      std::string normal = text.substr(0, text.find_last_not_of(' ') + 1);
      if (normal.starts_with("\uFF21")) normal.replace(0, 3, "A");  // nmt_nfkc
      for (const char byte : normal) expected += byte == ' ' ? kSpace : std::string(1, byte);
      EXPECT_EQ(spelt, expected);
    }
  }
}

TEST(SentencePiece, ManyThreadsGiveTheSameIds) {
  Directory directory;
  directory.put("tokenizer.model", fixture("bpe.model"));
  directory.put("tokenizer_config.json", kGemma);
  const auto tokenizer = directory.load();
  const std::vector<std::string> texts = sentences();
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const TokenizedTexts alone = tokenizer->encode_batch("", views, 64, 1);
  const TokenizedTexts together = tokenizer->encode_batch("", views, 64, 4);
  EXPECT_EQ(alone.ids, together.ids);
  EXPECT_EQ(alone.offsets, together.offsets);
}

}  // namespace
}  // namespace attune
