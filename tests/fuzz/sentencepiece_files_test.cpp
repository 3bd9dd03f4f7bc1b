// Files of sentencepiece's tokenizers with changes that nobody would make, through their readers:
// no crash, no id outside the vocabulary; a file is read, or refused with its name. A short form
// runs with the other tests; `ctest -L campaign` makes ATTUNE_FUZZ_LINES=1000000 changed files of
// each kind (best in a build with sanitizers).
#include <gtest/gtest.h>
#include <sentencepiece_model.pb.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "data/tokenizers/charsmap.h"
#include "data/tokenizers/json_tokenizer.h"
#include "data/tokenizers/sentencepiece_model.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

const std::string kFixtures = source_path("tests/fixtures/sentencepiece/");
const std::vector<std::string> kTexts = {"",
                                         "the model reads",
                                         "  a\t\n\u3000x ",
                                         "\uFF21\u00ad\u2122\u0301 e\u0301 \ufb01",
                                         "\U0001F469\u200D\U0001F525 \u6a21\u578b aaaaaaaa \n\n",
                                         std::string("\0\x01", 2) + "\r\n"};

class SentencePieceFuzz : public testing::Test {
 protected:
  std::int64_t files() const {
    const char* given = std::getenv("ATTUNE_FUZZ_LINES");
    return given != nullptr ? std::atoll(given) : 600;
  }
  std::string bytes_of(const char* name) const { return read_file(kFixtures + name, 1 << 24); }

  std::string mutate(std::string bytes) {
    for (unsigned change = 1 + random_() % 4; change > 0; --change) {
      const std::size_t at = bytes.empty() ? 0 : random_() % bytes.size();
      switch (random_() % 6) {
        case 0:
          bytes.insert(at, 1, static_cast<char>(random_()));
          break;
        case 1:
          bytes.erase(at, 1 + random_() % 8);
          break;
        case 2:
          if (random_() % 8 == 0) bytes.resize(at);
          break;
        case 3:
          bytes.insert(at, bytes.substr(random_() % (bytes.size() + 1), random_() % 200));
          break;
        default:
          if (at < bytes.size()) bytes[at] = static_cast<char>(random_());
      }
    }
    return bytes;
  }

  // A model whose parts are right and whose values are not.
  std::string mutate_values(const std::string& bytes) {
    sentencepiece::ModelProto model;
    EXPECT_TRUE(model.ParseFromString(bytes));
    for (unsigned change = 1 + random_() % 6; change > 0; --change) {
      auto& piece = *model.mutable_pieces(static_cast<int>(random_() % model.pieces_size()));
      auto& normalizer = *model.mutable_normalizer_spec();
      switch (random_() % 9) {
        case 0:
          piece.set_type(
              static_cast<sentencepiece::ModelProto::SentencePiece::Type>(1 + random_() % 6));
          break;
        case 1:
          piece.set_score(static_cast<float>(random_() % 2000) - 1000.0F);
          break;
        case 2:
          piece.set_piece(mutate(piece.piece()));
          break;
        case 3:
          normalizer.set_precompiled_charsmap(mutate(normalizer.precompiled_charsmap()));
          break;
        case 4:
          normalizer.set_add_dummy_prefix(random_() % 2);
          normalizer.set_remove_extra_whitespaces(random_() % 2);
          break;
        case 5:
          normalizer.set_escape_whitespaces(random_() % 2);
          break;
        case 6:
          model.mutable_trainer_spec()->set_treat_whitespace_as_suffix(random_() % 2);
          break;
        case 7:
          model.mutable_trainer_spec()->set_model_type(random_() % 2
                                                           ? sentencepiece::TrainerSpec::UNIGRAM
                                                           : sentencepiece::TrainerSpec::BPE);
          break;
        default:
          model.mutable_trainer_spec()->set_byte_fallback(random_() % 2);
      }
    }
    return model.SerializeAsString();
  }

  template <class Use>
  void attempt(const Use& use) {
    try {
      use();
      ++read_;
    } catch (const Error& error) {
      ++refused_;
      EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
      EXPECT_EQ(std::string(error.what()).find("fuzzed"), 0u) << error.what();
    }
  }

  void TearDown() override {
    std::cout << read_ << " files read, " << refused_ << " refused\n";
    EXPECT_GT(read_, 0);
    EXPECT_GT(refused_, 0);
  }

  std::mt19937 random_{17};
  std::int64_t read_ = 0, refused_ = 0;
};

TEST_F(SentencePieceFuzz, SentencePieceModel) {
  const std::vector<std::string> good = {bytes_of("unigram.model"), bytes_of("bpe.model")};
  for (std::int64_t i = 0; i < files(); ++i) {
    const std::string& start = good[random_() % good.size()];
    const std::string bytes = i % 2 == 0 ? mutate(start) : mutate_values(start);
    attempt([&] {
      const SentencePieceModel model(bytes, "fuzzed");
      for (const std::string& text : kTexts) {
        std::vector<int> ids;
        try {
          model.append(text, ids);
        } catch (const Error&) {  // the library says no to this text
        }
        for (const int id : ids) {
          ASSERT_GE(id, 0);
          ASSERT_LT(id, model.size());
        }
      }
    });
  }
}

TEST_F(SentencePieceFuzz, Charsmap) {
  sentencepiece::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(bytes_of("unigram.model")));
  const std::string& good = model.normalizer_spec().precompiled_charsmap();
  ASSERT_FALSE(good.empty());
  for (std::int64_t i = 0; i < files(); ++i) {
    const std::string bytes = mutate(good);
    attempt([&] {
      const Charsmap charsmap(bytes, "fuzzed");
      for (const std::string& text : kTexts) {
        std::string out;
        charsmap.append(text, out);
        ASSERT_EQ(find_invalid_utf8(out), std::string::npos);
      }
    });
  }
}

TEST_F(SentencePieceFuzz, UnigramTokenizerJson) {
  const std::string good = bytes_of("tokenizer.json");
  for (std::int64_t i = 0; i < files(); ++i) {
    const std::string bytes = mutate(good);
    attempt([&] {
      const JsonTokenizer tokenizer(parse_json(bytes, "fuzzed"), "fuzzed");
      for (const std::string& text : kTexts) {
        std::vector<std::int32_t> ids;
        try {
          tokenizer.encode("", text, 64, ids);
        } catch (const Error&) {  // no room for its special tokens, or no unknown token
        }
        for (const std::int32_t id : ids) {
          ASSERT_GE(id, 0);
          ASSERT_LT(id, tokenizer.vocabulary_size());
        }
      }
    });
  }
}

}  // namespace
}  // namespace attune
